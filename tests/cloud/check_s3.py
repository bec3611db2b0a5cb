#!/usr/bin/env python3
"""Proves with the real boto3 that the object host speaks S3.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install boto3
    /tmp/venv/bin/python tests/cloud/check_s3.py target/debug/cloud
"""

import base64
import hashlib
import io
import sys
import urllib.error
import urllib.request
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, MissingDependencyException

from running import ACCESS_KEY, SECRET_KEY, clouds, run

MIB = 1 << 20
ODD_KEYS = ["a/b", "a//b", "a%2Fb", "a+b c", "größe/ñ.txt", "./x", "../y", "z/", "a", "&<>\"'", "q?x=1#y"]


def client(ports, tenant, secret=SECRET_KEY, **more):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **more)
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{ports['cloudnx-objects']}",
        region_name="in-mum",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret,
        config=config,
    )
    # What the gateway does: it names the tenant after it has verified the caller.
    s3.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("X-Portcullis-Tenant", tenant))
    return s3


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        said = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert said == code or str(status) == code, f"{said} ({status}), not {code}"
        return
    raise AssertionError(f"{call.__name__} was not refused with {code}")


def buckets(s3):
    assert {it["Name"] for it in s3.list_buckets()["Buckets"]} == {"prod-assets", "nightly-backups"}
    s3.create_bucket(Bucket="made-here")
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="made-here")
    assert s3.head_bucket(Bucket="made-here")["BucketRegion"] == "in-mum"
    assert s3.get_bucket_location(Bucket="made-here")["LocationConstraint"] == "in-mum"
    s3.put_object(Bucket="made-here", Key="k", Body=b"")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket="made-here")
    s3.delete_object(Bucket="made-here", Key="k")
    s3.delete_bucket(Bucket="made-here")
    refused("404", s3.head_bucket, Bucket="made-here")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="made-here")
    refused("NoSuchBucket", s3.put_object, Bucket="made-here", Key="k", Body=b"x")


def put_and_get(s3):
    put = s3.put_object(
        Bucket="prod-assets",
        Key="notes.txt",
        Body=b"hello world",
        ContentType="text/plain",
        CacheControl="max-age=60",
        Metadata={"purpose": "check"},
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello world").hexdigest()}"'
    got = s3.get_object(Bucket="prod-assets", Key="notes.txt")
    assert got["Body"].read() == b"hello world"
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("text/plain", "max-age=60", {"purpose": "check"})
    assert got["ETag"] == put["ETag"] and got["ContentLength"] == 11
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    head = s3.head_object(Bucket="prod-assets", Key="notes.txt")
    assert head["ETag"] == put["ETag"] and head["ContentLength"] == 11
    refused("NoSuchKey", s3.get_object, Bucket="prod-assets", Key="absent")
    refused("404", s3.head_object, Bucket="prod-assets", Key="absent")


def ranges(s3):
    s3.put_object(Bucket="prod-assets", Key="digits", Body=b"0123456789")
    part = lambda text: s3.get_object(Bucket="prod-assets", Key="digits", Range=text)
    got = part("bytes=2-4")
    assert got["Body"].read() == b"234" and got["ContentRange"] == "bytes 2-4/10"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert part("bytes=-3")["Body"].read() == b"789"
    assert part("bytes=7-")["Body"].read() == b"789"
    refused("InvalidRange", s3.get_object, Bucket="prod-assets", Key="digits", Range="bytes=20-30")


def conditions(s3):
    etag = s3.put_object(Bucket="prod-assets", Key="cond", Body=b"1")["ETag"]
    get = lambda **more: s3.get_object(Bucket="prod-assets", Key="cond", **more)
    assert get(IfMatch=etag)["ETag"] == etag
    refused("304", get, IfNoneMatch=etag)
    refused("PreconditionFailed", get, IfMatch='"other"')
    refused("PreconditionFailed", s3.put_object, Bucket="prod-assets", Key="cond", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket="prod-assets", Key="cond", Body=b"2", IfMatch=etag)
    refused("PreconditionFailed", s3.put_object, Bucket="prod-assets", Key="cond", Body=b"3", IfMatch=etag)
    assert get()["Body"].read() == b"2"


def digests(s3):
    s3.put_object(Bucket="prod-assets", Key="sum", Body=b"before")
    wrong = "AAAAAAAAAAAAAAAAAAAAAA=="
    refused("BadDigest", s3.put_object, Bucket="prod-assets", Key="sum", Body=b"after", ContentMD5=wrong)
    refused("BadDigest", s3.put_object, Bucket="prod-assets", Key="sum", Body=b"after", ChecksumCRC32="AAAAAA==")
    assert s3.get_object(Bucket="prod-assets", Key="sum")["Body"].read() == b"before", "a bad digest overwrote"
    for name in ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]:
        try:
            put = s3.put_object(Bucket="prod-assets", Key="sum", Body=b"after", ChecksumAlgorithm=name)
        except MissingDependencyException:  # CRC32C and CRC64NVME need the package awscrt
            print(f"        not tried: {name}, since awscrt is not installed")
            continue
        got = s3.get_object(Bucket="prod-assets", Key="sum", ChecksumMode="ENABLED")
        assert got["Body"].read() == b"after" and got[f"Checksum{name}"] == put[f"Checksum{name}"], name


def trailers(s3, ports):
    """As boto3 sends over TLS: the body in chunks, its checksum behind it."""

    def put(body, crc):
        chunks = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(body), body, crc)
        headers = {
            "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": str(len(body)),
            "X-Amz-Trailer": "x-amz-checksum-crc32",
            "X-Portcullis-Tenant": "acme",
        }
        url = f"http://{ports['cloudnx-objects']}/prod-assets/trailed"
        request = AWSRequest("PUT", url, headers=headers, data=chunks)
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        request.context["client_config"] = s3.meta.config
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "in-mum").add_auth(request)
        headers = dict(request.headers.items())
        return urllib.request.urlopen(urllib.request.Request(url, data=chunks, headers=headers, method="PUT"))

    crc = lambda body: base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    assert put(b"hello trailer", crc(b"hello trailer")).status == 200
    got = s3.get_object(Bucket="prod-assets", Key="trailed", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello trailer" and got["ChecksumCRC32"].encode() == crc(b"hello trailer")
    assert "ContentEncoding" not in got, "aws-chunked is how it travelled"
    try:
        put(b"another body", crc(b"hello trailer"))
    except urllib.error.HTTPError as error:
        assert error.code == 400 and b"BadDigest" in error.read()
    else:
        raise AssertionError("a wrong trailer was taken")
    assert s3.get_object(Bucket="prod-assets", Key="trailed")["Body"].read() == b"hello trailer"


def odd_keys(s3):
    s3.create_bucket(Bucket="odd-keys")
    for key in ODD_KEYS:
        s3.put_object(Bucket="odd-keys", Key=key, Body=key.encode())
    for key in ODD_KEYS:
        assert s3.get_object(Bucket="odd-keys", Key=key)["Body"].read() == key.encode(), key
    for listed in (s3.list_objects_v2(Bucket="odd-keys"), s3.list_objects(Bucket="odd-keys")):
        keys = [it["Key"] for it in listed["Contents"]]
        assert keys == sorted(ODD_KEYS, key=str.encode), keys


def lists(s3):
    s3.create_bucket(Bucket="many-keys")
    keys = [f"{folder}/{number:02}" for folder in "abc" for number in range(9)] + ["top"]
    for key in keys:
        s3.put_object(Bucket="many-keys", Key=key, Body=b"x")
    for name in ["list_objects_v2", "list_objects"]:
        pages = s3.get_paginator(name).paginate(Bucket="many-keys", PaginationConfig={"PageSize": 4})
        assert [it["Key"] for page in pages for it in page.get("Contents", [])] == keys, name
        pages = s3.get_paginator(name).paginate(Bucket="many-keys", Delimiter="/", PaginationConfig={"PageSize": 1})
        found = [it["Prefix"] for page in pages for it in page.get("CommonPrefixes", [])]
        assert found == ["a/", "b/", "c/"], (name, found)
    first = s3.list_objects_v2(Bucket="many-keys", Prefix="b/", StartAfter="b/05")
    assert [it["Key"] for it in first["Contents"]] == ["b/06", "b/07", "b/08"] and first["KeyCount"] == 3
    assert first["Contents"][0]["ETag"] == f'"{hashlib.md5(b"x").hexdigest()}"'


def copies_and_deletes(s3):
    s3.put_object(Bucket="prod-assets", Key="from", Body=b"copied", ContentType="text/css", Metadata={"a": "1"})
    source = {"Bucket": "prod-assets", "Key": "from"}
    s3.copy_object(Bucket="nightly-backups", Key="to/here", CopySource=source)
    got = s3.get_object(Bucket="nightly-backups", Key="to/here")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"copied", "text/css", {"a": "1"})
    s3.copy_object(Bucket="prod-assets", Key="from", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket="prod-assets", Key="from")["Metadata"] == {"b": "2"}
    refused("InvalidRequest", s3.copy_object, Bucket="prod-assets", Key="from", CopySource=source)
    refused("NoSuchKey", s3.copy_object, Bucket="prod-assets", Key="x", CopySource={"Bucket": "prod-assets", "Key": "absent"})
    s3.delete_object(Bucket="prod-assets", Key="from")
    s3.delete_object(Bucket="prod-assets", Key="from")
    refused("NoSuchKey", s3.get_object, Bucket="prod-assets", Key="from")
    for key in ["d/1", "d/2", "d/3"]:
        s3.put_object(Bucket="prod-assets", Key=key, Body=b"")
    answer = s3.delete_objects(Bucket="prod-assets", Delete={"Objects": [{"Key": f"d/{it}"} for it in (1, 2)]})
    assert [it["Key"] for it in answer["Deleted"]] == ["d/1", "d/2"]
    assert [it["Key"] for it in s3.list_objects_v2(Bucket="prod-assets", Prefix="d/")["Contents"]] == ["d/3"]


def multipart(s3):
    body = bytes(range(256)) * (4096 * 13)  # 13 MiB
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, use_threads=True)
    s3.upload_fileobj(io.BytesIO(body), "prod-assets", "big", ExtraArgs={"Metadata": {"a": "1"}}, Config=config)
    sink = io.BytesIO()
    s3.download_fileobj("prod-assets", "big", sink, Config=config)
    assert sink.getvalue() == body
    head = s3.head_object(Bucket="prod-assets", Key="big")
    pieces = [body[at : at + 5 * MIB] for at in range(0, len(body), 5 * MIB)]
    joined = hashlib.md5(b"".join(hashlib.md5(it).digest() for it in pieces)).hexdigest()
    assert (head["ETag"], head["Metadata"]) == (f'"{joined}-3"', {"a": "1"}), head
    second = s3.get_object(Bucket="prod-assets", Key="big", PartNumber=2)
    assert second["Body"].read() == pieces[1] and second["PartsCount"] == 3


def multipart_by_hand(s3):
    place = {"Bucket": "prod-assets", "Key": "hand"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    assert [it["UploadId"] for it in s3.list_multipart_uploads(Bucket="prod-assets")["Uploads"]] == [upload]
    place["UploadId"] = upload
    etags = [s3.upload_part(**place, PartNumber=it, Body=b"x" * 10)["ETag"] for it in (1, 2)]
    listed = s3.list_parts(**place, MaxParts=1)
    assert listed["IsTruncated"] and listed["Parts"][0]["Size"] == 10
    named = lambda *numbers: {"Parts": [{"PartNumber": it, "ETag": etags[it - 1]} for it in numbers]}
    refused("EntityTooSmall", s3.complete_multipart_upload, **place, MultipartUpload=named(1, 2))
    refused("InvalidPartOrder", s3.complete_multipart_upload, **place, MultipartUpload=named(2, 1))
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]}
    refused("InvalidPart", s3.complete_multipart_upload, **place, MultipartUpload=wrong)
    s3.put_object(Bucket="prod-assets", Key="donor", Body=b"abcdefghij")
    source = {"Bucket": "prod-assets", "Key": "donor"}
    copied = s3.upload_part_copy(**place, PartNumber=3, CopySource=source, CopySourceRange="bytes=2-4")
    last = {"Parts": [{"PartNumber": 3, "ETag": copied["CopyPartResult"]["ETag"]}]}
    s3.complete_multipart_upload(**place, MultipartUpload=last)
    assert s3.get_object(Bucket="prod-assets", Key="hand")["Body"].read() == b"cde"
    refused("NoSuchUpload", s3.list_parts, **place)
    aborted = s3.create_multipart_upload(Bucket="prod-assets", Key="aborted")["UploadId"]
    s3.abort_multipart_upload(Bucket="prod-assets", Key="aborted", UploadId=aborted)
    refused("NoSuchUpload", s3.abort_multipart_upload, Bucket="prod-assets", Key="aborted", UploadId=aborted)


def presigned(s3, tenant):
    s3.put_object(Bucket="prod-assets", Key="shown", Body=b"by url")
    # boto3 does not sign our header into a URL; whoever holds the URL comes through the gateway, which names the tenant.
    ask = lambda url, **more: urllib.request.Request(url, headers={"X-Portcullis-Tenant": tenant}, **more)
    place = {"Bucket": "prod-assets", "Key": "shown"}
    plain = boto3.client(
        "s3",
        endpoint_url=s3.meta.endpoint_url,
        region_name="in-mum",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    url = plain.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
    assert urllib.request.urlopen(ask(url)).read() == b"by url"
    url = plain.generate_presigned_url("put_object", Params=place, ExpiresIn=60)
    urllib.request.urlopen(ask(url, data=b"changed", method="PUT"))
    assert s3.get_object(**place)["Body"].read() == b"changed"
    try:
        urllib.request.urlopen(ask(url.replace("shown", "other"), data=b"x", method="PUT"))
    except urllib.error.HTTPError as error:
        assert error.code == 403
    else:
        raise AssertionError("a URL for one key was good for another")


def strangers(s3, other, ports):
    refused("SignatureDoesNotMatch", client(ports, "acme", secret="wrong").list_buckets)
    s3.put_object(Bucket="prod-assets", Key="mine", Body=b"secret")
    refused("NoSuchKey", other.get_object, Bucket="prod-assets", Key="mine")
    s3.create_bucket(Bucket="only-mine")
    refused("NoSuchBucket", other.list_objects_v2, Bucket="only-mine")
    refused("BucketAlreadyExists", other.create_bucket, Bucket="only-mine")
    refused("BucketAlreadyOwnedByYou", other.create_bucket, Bucket="prod-assets")
    refused("NoSuchBucket", other.delete_bucket, Bucket="only-mine")
    s3.delete_bucket(Bucket="only-mine")
    other.create_bucket(Bucket="only-mine")
    refused("BucketAlreadyExists", s3.create_bucket, Bucket="only-mine")
    source = {"Bucket": "prod-assets", "Key": "mine"}
    refused("NoSuchKey", other.copy_object, Bucket="prod-assets", Key="stolen", CopySource=source)
    try:
        urllib.request.urlopen(f"http://{ports['cloudnx-objects']}/prod-assets/mine")
    except urllib.error.HTTPError as error:
        assert error.code == 403
    else:
        raise AssertionError("a request without a tenant was answered")


def main(binary):
    with clouds(binary) as ports:
        s3, other = client(ports, "acme"), client(ports, "globex")
        lean = client(ports, "acme", request_checksum_calculation="when_required")
        checks = [
            ("buckets are made, told and deleted", lambda: buckets(s3)),
            ("what is put is got, with what was said of it", lambda: put_and_get(s3)),
            ("a range is a range", lambda: ranges(s3)),
            ("conditions hold", lambda: conditions(s3)),
            ("a bad digest changes nothing", lambda: digests(s3)),
            ("a checksum behind the body", lambda: trailers(s3, ports)),
            ("keys are verbatim", lambda: odd_keys(s3)),
            ("lists are walked whole", lambda: lists(s3)),
            ("copies and deletes", lambda: copies_and_deletes(s3)),
            ("an upload in parts", lambda: multipart(s3)),
            ("an upload in parts, without checksums", lambda: multipart(lean)),
            ("the rules of parts", lambda: multipart_by_hand(s3)),
            ("a URL that bears its signature", lambda: presigned(s3, "acme")),
            ("strangers are kept out", lambda: strangers(s3, other, ports)),
        ]
        return run(checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
