"""Asks the control port of the clouds, CONTROL in the environment."""

import http.client
import json
import os


def control(target, body=None, method="POST"):
    connection = http.client.HTTPConnection(os.environ["CONTROL"], timeout=10)
    connection.request(method, target, json.dumps(body) if body else None)
    answer = connection.getresponse()
    assert answer.status in (200, 201, 204), answer.read()
    connection.close()
