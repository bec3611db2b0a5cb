"""Bodies in chunks against s3.cloudnx.in: each kind as the documents of AWS describe it, made here from scratch.

Environment: ACCESS_KEY_ID and SECRET_ACCESS_KEY with every s3 permission. What is told: the request ids of what was
refused, by what was wrong with it.
"""

import base64
import hashlib
import hmac
import os
import re
import time
import zlib

from asking import send
from door import tell

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HOST = "s3.cloudnx.in"
BUCKET = "bodies"
OWN = Credentials(os.environ["ACCESS_KEY_ID"], os.environ["SECRET_ACCESS_KEY"])
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"


def crc(width, polynomial):
    """A reflected CRC whose register begins and ends inverted, bit by bit."""
    def of(body):
        register = (1 << width) - 1
        for byte in body:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (polynomial if register & 1 else 0)
        return (register ^ (1 << width) - 1).to_bytes(width // 8, "big")
    return of


CHECKSUMS = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": crc(32, 0x82F63B78),
    "crc64nvme": crc(64, 0x9A6C9329AC4BC9B5),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def checksum(name, body):
    return base64.b64encode(CHECKSUMS[name](body)).decode()


class Head(S3SigV4Auth):
    """Signs a head with `kind` in place of the hash of the body, and keeps what chunks go on from."""

    def __init__(self, kind):
        super().__init__(OWN, "s3", "in-mum")
        self.kind = kind

    def payload(self, request):
        return self.kind

    def sign(self, method, target, headers):
        request = AWSRequest(method, f"https://{HOST}{target}", headers=headers)
        self.add_auth(request)
        headers = dict(request.headers.items())
        self.date = headers["X-Amz-Date"]
        self.last = re.search("Signature=([0-9a-f]{64})$", headers["Authorization"])[1]
        return headers

    def next(self, kind, *hashed):
        """The signature of what follows the last one."""
        day = self.date[:8]
        key = f"AWS4{OWN.secret_key}".encode()
        for part in (day, "in-mum", "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        hashes = [hashlib.sha256(it).hexdigest() for it in hashed]
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", self.date, f"{day}/in-mum/s3/aws4_request", self.last, *hashes])
        self.last = hmac.new(key, text.encode(), "sha256").hexdigest()
        return self.last


def patient(ask):
    """Thirty requests a second are the limit: what is slowed down is tried again."""
    def until_heard(*given, **named):
        for _ in range(20):
            answer = ask(*given, **named)
            if answer.status != 503:
                break
            time.sleep(int(answer.headers["Retry-After"]))
        return answer
    return until_heard


@patient
def upload(key, body, kind, trailer=None, size=65_536, spoil=lambda pieces: pieces, length=None, framed=True):
    """Puts an object. `spoil` is given the chunks and the end as a list, each as it is sent; `framed` with a length."""
    headers = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(body) if length is None else length)}
    if trailer:
        headers["X-Amz-Trailer"] = f"x-amz-checksum-{trailer}"
    head = Head(kind)
    headers = head.sign("PUT", f"/{BUCKET}/{key}", headers)
    pieces = []
    for start in [*range(0, len(body), size), len(body)]:
        chunk = body[start:start + size]
        signature = f";chunk-signature={head.next('PAYLOAD', b'', chunk)}" if kind != UNSIGNED else ""
        pieces.append(f"{len(chunk):x}{signature}\r\n".encode() + (chunk + b"\r\n" if chunk else b""))
    if trailer:
        line = f"x-amz-checksum-{trailer}:{checksum(trailer, body)}"
        pieces.append(f"{line}\r\n".encode())
        if kind == SIGNED_TRAILER:
            signature = head.next("TRAILER", f"{line}\n".encode())
            pieces.append(f"x-amz-trailer-signature:{signature}\r\n".encode())
    pieces.append(b"\r\n")
    whole = b"".join(spoil(pieces))
    if framed:
        return send("PUT", HOST, f"/{BUCKET}/{key}", {**headers, "Content-Length": str(len(whole))}, whole)
    # In pieces that have nothing to do with the chunks.
    return send("PUT", HOST, f"/{BUCKET}/{key}", headers, (whole[at:at + 9999] for at in range(0, len(whole), 9999)))


@patient
def plain(method, target, more=None):
    return send(method, HOST, target, Head("UNSIGNED-PAYLOAD").sign(method, target, more or {}), b"")


assert plain("PUT", f"/{BUCKET}").status == 200
KINDS = [(UNSIGNED, "crc32"), (SIGNED, None), (SIGNED_TRAILER, "sha256")]
long = os.urandom(150_001)

# What is good is stored whole, and its checksum with it.
for name in CHECKSUMS:
    for kind in (UNSIGNED, SIGNED_TRAILER):
        body = os.urandom(5_000)
        put = upload(name, body, kind, name, size=3_000)
        assert put.status == 200, (name, kind, put.body)
        got = plain("GET", f"/{BUCKET}/{name}", {"X-Amz-Checksum-Mode": "ENABLED"})
        assert got.body == body and got.headers[f"x-amz-checksum-{name}"] == checksum(name, body), (name, got.headers)
        assert not got.headers["Content-Encoding"], got.headers
for kind, trailer in KINDS:
    for framed in (True, False):
        for body in (long, b"", b"x"):
            put = upload("any", body, kind, trailer, framed=framed)
            assert put.status == 200, (kind, framed, len(body), put.body)
            assert plain("GET", f"/{BUCKET}/any").body == body, (kind, framed, len(body))
put = upload("any", long, UNSIGNED, "crc32", size=1 << 20)
assert put.status == 200, put.body


def last(pieces, found, to):
    """The end with something else in place of what is found there."""
    whole = b"".join(pieces)
    at = whole.rindex(found)
    return [whole[:at], to, whole[at + len(found):]]


def changed(pieces):
    """One bit of the last byte of the first chunk."""
    first = bytearray(pieces[0])
    first[-3] ^= 1
    return [bytes(first), *pieces[1:]]


def another(pieces):
    """Another checksum."""
    at = next(at for at, it in enumerate(pieces) if it.startswith(b"x-amz-checksum"))
    name = pieces[at].split(b":")[0].decode().rpartition("-")[2]
    return [*pieces[:at], f"x-amz-checksum-{name}:{checksum(name, b'another body')}\r\n".encode(), *pieces[at + 1:]]


def missing(pieces):
    return [it for it in pieces if not it.startswith(b"x-amz-")]


def twice(pieces):
    at = next(at for at, it in enumerate(pieces) if it.startswith(b"x-amz-checksum"))
    return [*pieces[:at + 1], *pieces[at:]]


BAD = [
    ("checksum_mismatch", 400, "BadDigest", UNSIGNED, "crc32", {"spoil": changed}),
    ("checksum_mismatch", 400, "BadDigest", UNSIGNED, "crc64nvme", {"spoil": another}),
    ("trailer_malformed", 400, "MalformedTrailerError", UNSIGNED, "crc32", {"spoil": missing}),
    ("trailer_malformed", 400, "MalformedTrailerError", UNSIGNED, "sha1", {"spoil": twice}),
    ("trailer_malformed", 400, "MalformedTrailerError", SIGNED_TRAILER, "sha256", {"spoil": missing}),
    ("chunk_signature_mismatch", 403, "SignatureDoesNotMatch", SIGNED, None, {"spoil": changed}),
    ("chunk_signature_mismatch", 403, "SignatureDoesNotMatch", SIGNED_TRAILER, "sha256", {"spoil": changed}),
    ("chunk_signature_mismatch", 403, "SignatureDoesNotMatch", SIGNED_TRAILER, "sha256", {"spoil": another}),
    ("chunk_signature_mismatch", 403, "SignatureDoesNotMatch", SIGNED, None, {"spoil": lambda it: [it[1], it[0], *it[2:]]}),
    ("body_incomplete", 400, "IncompleteBody", SIGNED, None, {"spoil": lambda it: it[:2]}),
    ("body_incomplete", 400, "IncompleteBody", UNSIGNED, "crc32", {"spoil": lambda it: it[:-1]}),
    ("body_incomplete", 400, "IncompleteBody", UNSIGNED, "crc32", {"length": len(long) + 1}),
    ("body_incomplete", 400, "IncompleteBody", UNSIGNED, "crc32", {"length": len(long) - 1}),
    ("body_incomplete", 400, "IncompleteBody", SIGNED, None, {"length": 0}),
    ("chunks_malformed", 400, "InvalidRequest", UNSIGNED, "crc32", {"spoil": lambda it: [*it, b"0\r\n\r\n"]}),
    ("chunks_malformed", 400, "InvalidRequest", UNSIGNED, "crc32", {"spoil": lambda it: last(it, b"0\r\n", b"0;a=b\r\n")}),
]

# What is not good is never stored, nor does it replace what is there.
kept = upload("kept", b"kept", UNSIGNED, "crc32")
assert kept.status == 200
refused = []
for reason, status, code, kind, trailer, wrong in BAD:
    for key in ("absent", "kept"):
        for framed in (True, False):
            put = upload(key, long, kind, trailer, framed=framed, **wrong)
            assert put.status == status and f"<Code>{code}</Code>".encode() in put.body, (reason, kind, wrong, put.status, put.body)
            refused.append([put.id, status, reason])
    assert plain("HEAD", f"/{BUCKET}/absent").status == 404, (reason, kind)
    assert plain("GET", f"/{BUCKET}/kept").body == b"kept", (reason, kind)

# A body that is signed whole, of which nothing is sent at all.
head = Head(hashlib.sha256(b"whole").hexdigest()).sign("PUT", f"/{BUCKET}/absent", {})
put = send("PUT", HOST, f"/{BUCKET}/absent", {**head, "Content-Length": "0"}, b"")
assert put.status == 400 and b"<Code>XAmzContentSHA256Mismatch</Code>" in put.body, put.body
assert plain("HEAD", f"/{BUCKET}/absent").status == 404
tell(refused=refused, unsent=put.id)
