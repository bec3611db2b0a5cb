"""Asks what it is told to, each request signed with an access key, and tells every answer.

Environment: REQUESTS, a list of `{"key": {"text", "secret"}, "host", "target", "headers"}`, and where it
is no GET "method" and "body". What is told of each is its status, the id it has in the entries, its content type and its
body.
"""

import json
import os

from asking import ask
from door import tell

answers = []
for it in json.loads(os.environ["REQUESTS"]):
    headers, body = dict(it.get("headers") or {}), b""
    if it.get("body") is not None:
        headers["Content-Type"], body = "application/json", json.dumps(it["body"]).encode()
    answer = ask(it.get("method", "GET"), it["host"], it["target"], headers, body, it["key"], "cloudnx")
    answers.append({"status": answer.status, "id": answer.id, "type": answer.headers["Content-Type"],
                    "body": json.loads(answer.body)})
tell(answers=answers)
