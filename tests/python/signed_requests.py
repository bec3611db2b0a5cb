"""Asks what it is told to, each request signed with an access key, and tells every answer.

Environment: REQUESTS, a list of `{"key": {"text", "secret"}, "host", "target", "headers"}`. What is told of each is its
status, the id it has in the entries, its content type and its body.
"""

import json
import os

from asking import ask
from door import tell

answers = []
for it in json.loads(os.environ["REQUESTS"]):
    answer = ask("GET", it["host"], it["target"], it.get("headers"), b"", it["key"], "cloudnx")
    answers.append({"status": answer.status, "id": answer.id, "type": answer.headers["Content-Type"],
                    "body": json.loads(answer.body)})
tell(answers=answers)
