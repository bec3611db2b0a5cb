"""Signs one request and does not send it.

Environment: KEY as `{"text", "secret"}`, METHOD, HOST, TARGET and SERVICE; PAYLOAD for what stands in place of the hash of
the body, and MORE for further headers. What is told are the headers.
"""

import json
import os

from door import tell

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

key, service = json.loads(os.environ["KEY"]), os.environ["SERVICE"]
more = json.loads(os.environ.get("MORE", "{}"))
request = AWSRequest(os.environ["METHOD"], f"https://{os.environ['HOST']}{os.environ['TARGET']}", headers=more)
kind = S3SigV4Auth if service == "s3" else SigV4Auth
if "PAYLOAD" in os.environ:
    kind.payload = lambda self, request: os.environ["PAYLOAD"]
kind(Credentials(key["text"], key["secret"]), service, "in-mum").add_auth(request)
tell(headers=list(request.headers.items()))
