"""A verifier of identity tokens that shares no code with the gateway: written from README.md ("The APIs behind").

    verify_identity.py KEYS AUDIENCE TOKEN

KEYS is the set of keys as JSON. Prints the claims, or says what is wrong and exits with 1.
"""

import base64
import json
import re
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """What is wrong with a token."""


def decode(part):
    if not re.fullmatch(r"[A-Za-z0-9_-]+", part):
        raise Wrong("not base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(keys, audience, token, now):
    head, claims, signature = token.split(".")
    told = json.loads(decode(head))
    if (told["alg"], told["typ"]) != ("EdDSA", "gateway-identity+jwt"):
        raise Wrong("no identity token")
    key = next(it for it in keys["keys"] if it["kid"] == told["kid"])
    if (key["kty"], key["crv"]) != ("OKP", "Ed25519"):
        raise Wrong("no key of this kind")
    try:
        Ed25519PublicKey.from_public_bytes(decode(key["x"])).verify(decode(signature), f"{head}.{claims}".encode())
    except InvalidSignature:
        raise Wrong("the key has not signed it") from None
    said = json.loads(decode(claims))
    if said["aud"] != audience:
        raise Wrong("for somebody else")
    if said["exp"] <= now:
        raise Wrong("expired")
    return said


if __name__ == "__main__":
    try:
        print(json.dumps(verify(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], time.time())))
    except (Wrong, KeyError, TypeError, ValueError, StopIteration) as wrong:
        sys.exit(f"wrong: {wrong}")
