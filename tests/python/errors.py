"""What each API documents and no request of a walk runs into by itself: a conflict, too much, an outage, and no answer in time.

Environment: API; TENANT; KEY, `{"text": ..., "secret": ...}`, which may ask four times; CONTROL, the address of the clouds'
control port. Each answer is held to the document, and told as `walk.py` tells its own.
"""

import hashlib
import json
import os

from asking import ask
from control import control
from door import tell

from documented import documents

API, KEY = os.environ["API"], json.loads(os.environ["KEY"])


def request(operation):
    document = operation.document
    shown = {it["name"]: os.environ["TENANT"] for it in operation.where("header") if it["name"] == "X-CloudNexus-Id"}
    body = b""
    if operation.media == "application/json":
        shown["Content-Type"], body = operation.media, json.dumps(operation.example()).encode()
    if document.service == "s3":
        shown["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    path = operation.template
    for it in operation.where("path"):
        path = path.replace("{%s}" % it["name"], str(document.deref(it)["example"]))
    return ask(operation.method, document.host, document.base + path, shown, body, KEY, document.service, patience=1)


def check(operation, case, status, step=None):
    answer = request(operation)
    assert answer.status == status, (str(operation), case, answer.status, answer.body)
    operation.check(answer.status, answer.headers, answer.body)
    tell(operation=operation.id, case=case, id=answer.id, status=answer.status, step=step)
    return answer


def spend(operation, case, expected, **fault):
    control("/control/faults", {"api": os.environ["CLOUD"], "times": 5, **fault})
    check(operation, case, expected, "forward" if fault["kind"] == "hang" else None)
    control("/control/faults", method="DELETE")


def suited(it):
    """An operation that changes something, so that it is asked once, does not stream, and documents a conflict."""
    plain = it.media in (None, "application/json") and "#" not in it.template and not it.content.get("x-portcullis-stream")
    return plain and not it.native and it.method in ("POST", "PUT", "DELETE") and "409" in it.content["responses"]


objects = os.environ["CLOUD"] == "cloudnx-objects"
document = next(it for it in documents(API) if (it.service == "s3") == objects and any(map(suited, it.operations)))
operation = next(filter(suited, document.operations))
spend(operation, "no answer in time", 504, kind="hang", ms=60_000)
if objects:
    # Its own words for a conflict and an outage are S3's, which the library s3s says.
    for _ in range(3):
        request(operation)
    answer = check(operation, "too much", 503, "limit")
    assert b"<Code>SlowDown</Code>" in answer.body, answer.body
else:
    spend(operation, "a conflict", 409, kind="fail", status=409)
    spend(operation, "an outage", 503, kind="fail", status=503)
    request(operation)
    answer = check(operation, "too much", 429, "limit")
assert int(answer.headers["Retry-After"]) >= 1, answer.headers
