"""Requests to cloudnx.in signed with AWS SigV4 by botocore: region in-mum, service cloudnx.

Environment: ACCESS_KEY_ID and SECRET_ACCESS_KEY with compute:read and compute:write; READER_ID and READER_SECRET
with compute:read alone.
"""

import datetime
import http.client
import json
import os

from door import tell, trust

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FULL = (os.environ["ACCESS_KEY_ID"], os.environ["SECRET_ACCESS_KEY"])
READER = (os.environ["READER_ID"], os.environ["READER_SECRET"])


def ask(keys, method, target, body=None, service="cloudnx", region="in-mum", change=None):
    """Signs a request, lets `change` meddle with it afterwards, and sends it: status, headers, JSON."""
    data = json.dumps(body) if body is not None else ""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    request = AWSRequest(method, f"https://cloudnx.in{target}", headers=headers, data=data)
    SigV4Auth(Credentials(*keys), service, region).add_auth(request)
    if change:
        change(request)
    connection = http.client.HTTPSConnection("cloudnx.in", context=trust(), timeout=20)
    connection.request(request.method, target, request.data, dict(request.headers.items()))
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    return answer.status, answer.headers, json.loads(told) if told else None


def refused(status, *given, **named):
    """A refusal in the one shape that CloudNx has, and its request id."""
    got, headers, told = ask(*given, **named)
    assert got == status, (got, told)
    assert list(told) == ["error"] and isinstance(told["error"], str), told
    return headers["X-Request-Id"]


status, headers, listed = ask(FULL, "GET", "/compute/instances?limit=5")
assert status == 200 and isinstance(listed["instances"], list), listed
assert int(headers["X-RateLimit-Remaining"]) < int(headers["X-RateLimit-Limit"])

# Whoever is known is counted for what is not there as well, though nothing but the signature of the body says who it is.
status, headers, _ = ask(FULL, "GET", "/compute/none")
assert status == 404 and int(headers["X-RateLimit-Remaining"]) < int(headers["X-RateLimit-Limit"]), (status, headers)

wanted = json.loads(os.environ["INSTANCE"])
status, _, made = ask(FULL, "POST", "/compute/instances", wanted)
assert status == 201, (status, made)
status, _, shown = ask(FULL, "GET", f"/compute/instances/{made['id']}")
assert status == 200 and shown["id"] == made["id"], shown
status, _, _ = ask(READER, "GET", f"/compute/instances/{made['id']}")
assert status == 200


def later(request):
    signed = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    request.headers.replace_header("X-Amz-Date", signed.strftime("%Y%m%dT%H%M%SZ"))


def other_body(request):
    request.data = json.dumps({**wanted, "name": "somebody-else"})


found = {
    "wrong_secret": refused(401, (FULL[0], "0" * 40), "GET", "/compute/instances"),
    "wrong_service": refused(401, FULL, "GET", "/compute/instances", service="s3"),
    "wrong_region": refused(401, FULL, "GET", "/compute/instances", region="us-east-1"),
    "stale": refused(401, FULL, "GET", "/compute/instances", change=later),
    "changed_body": refused(401, FULL, "POST", "/compute/instances", wanted, change=other_body),
    "missing_scope": refused(403, READER, "POST", "/compute/instances", wanted),
    "absent": refused(404, FULL, "GET", "/compute/instances/i-0000000000000000"),
    "bad_body": refused(400, FULL, "POST", "/compute/instances", {"name": 7}),
}
status, _, _ = ask(FULL, "DELETE", f"/compute/instances/{made['id']}")
assert status in (200, 202, 204), status
tell(refused=found)
