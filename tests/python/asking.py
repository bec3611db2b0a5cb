"""Asks an API through the gateway with the credential it takes: a bearer key, a key that signs, or a session's cookie."""

import http.client
import time

from door import trust

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TRUST = trust()


class Answer:
    """Status, headers, body, and the id under which the gateway knows the request."""

    def __init__(self, got):
        self.status, self.headers, self.body = got.status, got.headers, got.read()
        self.id = self.headers["X-Request-Id"]


def send(method, host, target, headers, body):
    """One request on a connection of its own."""
    connection = http.client.HTTPSConnection(host, context=TRUST, timeout=30)
    try:
        try:
            connection.request(method, target, body, headers)
        except OSError:
            pass  # A refusal need not wait for the rest of a body: it can be read all the same.
        return Answer(connection.getresponse())
    finally:
        connection.close()


def ask(method, host, target, headers=None, body=b"", key=None, service=None, region="in-mum", patience=5):
    """Shows the key as its API wants it. Where the gateway asks to come back later, comes back later."""
    for _ in range(patience):
        shown = dict(headers or {})
        if key and key.get("secret"):
            request = AWSRequest(method, f"https://{host}{target}", headers=shown, data=body)
            SigV4Auth(Credentials(key["text"], key["secret"]), service, region).add_auth(request)
            shown = dict(request.headers.items())
        elif key and key.get("cookie"):
            shown.update({"Cookie": key["cookie"], "Sec-Fetch-Site": "same-origin"})
        elif key:
            shown["Authorization"] = f"Bearer {key['text']}"
        answer = send(method, host, target, shown, body)
        if answer.status != 429:
            break
        time.sleep(min(int(answer.headers["Retry-After"]), 5))
    return answer
