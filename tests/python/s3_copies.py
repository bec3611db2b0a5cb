"""Copies of objects against s3.cloudnx.in: what reads an object besides writing one, and every way to hide that.

Environment: of one tenant, ACCESS_KEY_ID and SECRET_ACCESS_KEY with every s3 permission, WRITER_ID and WRITER_SECRET with
s3:PutObject alone, COPIER_ID and COPIER_SECRET with s3:GetObject as well; OTHER_ID and OTHER_SECRET of another tenant.
What is told: each request with what its entry must say, and the head of one for another version of HTTP.
"""

import os
import time
from urllib.parse import quote

from asking import send
from door import AUTHORITY, refused, tell

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

HOST, BUCKET = "s3.cloudnx.in", "copies"
TOLD = []


def secret(name):
    return os.environ["SECRET_ACCESS_KEY" if name == "ACCESS_KEY" else f"{name}_SECRET"]


def client(name):
    return boto3.client(
        "s3", endpoint_url=f"https://{HOST}", region_name="in-mum", verify=AUTHORITY,
        aws_access_key_id=os.environ[f"{name}_ID"], aws_secret_access_key=secret(name),
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8, "mode": "standard"}, proxies={}),
    )


def head(name, method, target, headers):
    """The headers of a request, signed as the SDK signs them."""
    request = AWSRequest(method, f"https://{HOST}{target}", headers=headers)
    S3SigV4Auth(Credentials(os.environ[f"{name}_ID"], secret(name)), "s3", "in-mum").add_auth(request)
    return dict(request.headers.items())


def raw(name, method, target, headers, more=()):
    """One signed request without a body; `more` are lines that are added when it is signed already."""
    for _ in range(20):
        shown = head(name, method, target, headers)
        answer = send(method, HOST, target, {**shown, **dict(more), "Content-Length": "0"}, b"")
        if answer.status != 503:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    return answer


def note(operation, answer, status, reason=None, reads=None):
    assert answer.status == status, (operation, reason, answer.status, answer.body)
    TOLD.append({"id": answer.id, "operation": operation, "status": status, "reason": reason, "reads": reads})


def noted(operation, error, status, reason, reads):
    shown = error.response["ResponseMetadata"]
    assert shown["HTTPStatusCode"] == status, error.response
    TOLD.append({"id": shown["HTTPHeaders"]["x-request-id"], "operation": operation, "status": status, "reason": reason,
                 "reads": reads})


owner, writer, copier, other = (client(it) for it in ("ACCESS_KEY", "WRITER", "COPIER", "OTHER"))
owner.create_bucket(Bucket=BUCKET)
KEYS = ["plain", "with space+plus%25", "double//slash", "हिन्दी/ключ", "semi;colon=and&more"]
for key in KEYS:
    owner.put_object(Bucket=BUCKET, Key=key, Body=key.encode())

# Whoever may read and write copies, whatever the source is called.
for key in KEYS:
    done = copier.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key})
    TOLD.append({"id": done["ResponseMetadata"]["HTTPHeaders"]["x-request-id"], "operation": "s3CopyObject", "status": 200,
                 "reason": None, "reads": quote(f"/{BUCKET}/{key}", safe="/+=&")})
    assert owner.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == key.encode(), key
upload = copier.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
part = copier.upload_part_copy(
    Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, CopySource={"Bucket": BUCKET, "Key": "plain"},
    CopySourceRange="bytes=0-2")["CopyPartResult"]["ETag"]
copier.complete_multipart_upload(
    Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
assert owner.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == b"pla"

# Whoever may write alone does not read by copying, and what they asked for is entered.
SOURCE = f"/{BUCKET}/plain"
source = {"Bucket": BUCKET, "Key": "plain"}
noted("s3CopyObject", refused(ClientError, writer.copy_object, Bucket=BUCKET, Key="stolen", CopySource=source), 403, "insufficient_scope", SOURCE)
upload = writer.create_multipart_upload(Bucket=BUCKET, Key="stolen")["UploadId"]
noted("s3UploadPartCopy", refused(ClientError, writer.upload_part_copy, Bucket=BUCKET, Key="stolen", UploadId=upload, PartNumber=1,
                                  CopySource=source), 403, "insufficient_scope", SOURCE)
for name in ("x-amz-copy-source", "X-AMZ-COPY-SOURCE", "X-Amz-Copy-Source"):
    note("s3CopyObject", raw("WRITER", "PUT", f"/{BUCKET}/stolen", {name: SOURCE}), 403, "insufficient_scope")
note("s3CopyObject", raw("WRITER", "PUT", f"/{BUCKET}/stolen", {"x-amz-copy-source": ""}), 403, "insufficient_scope")
part = f"/{BUCKET}/stolen?partNumber=1&uploadId={upload}"
note("s3UploadPartCopy", raw("WRITER", "PUT", part, {"x-amz-copy-source": SOURCE}), 403, "insufficient_scope")
note("s3CopyObject", raw("COPIER", "PUT", f"/{BUCKET}/stolen?partNumber=1", {"x-amz-copy-source": SOURCE}), 501, "undocumented_parameter")
note("s3PutObject", raw("WRITER", "PUT", f"/{BUCKET}/stolen?x-amz-copy-source={BUCKET}%2Fplain", {}), 501, "undocumented_parameter")
note("s3CreateMultipartUpload", raw("WRITER", "POST", f"/{BUCKET}/stolen?uploads", {"x-amz-copy-source": SOURCE}), 501,
     "undocumented_parameter")
# Taken for another hop's, it would be gone where the object is.
note(None, raw("COPIER", "PUT", f"/{BUCKET}/stolen", {"x-amz-copy-source": SOURCE}, [("Connection", "X-Amz-Copy-Source")]), 400,
     "bad_request")
# Signed for another, or not at all.
note("s3CopyObject", raw("COPIER", "PUT", f"/{BUCKET}/stolen", {}, [("x-amz-copy-source", SOURCE)]), 400, "signature_malformed")

# A source is a path like every other: one spelling, of this host, and of the caller's own tenant.
for bad in ("/copies/a/../plain", "/copies/%2e%2e/plain", "/copies", "/", "arn:aws:s3:in-mum:1:accesspoint/a/object/plain", "/copies/plain%",
            "/copies/plain?acl", "/copies/plain%3FversionId=1", "/copies/plain?uploadId=1", "/COPIES/plain", "https://elsewhere/copies/plain"):
    note("s3CopyObject", raw("COPIER", "PUT", f"/{BUCKET}/stolen", {"x-amz-copy-source": bad}), 400, "invalid_parameter")
other.create_bucket(Bucket="elsewhere")
absent = refused(ClientError, other.copy_object, Bucket="elsewhere", Key="stolen", CopySource=source)
noted("s3CopyObject", absent, 404, None, SOURCE)
assert refused(ClientError, owner.head_object, Bucket=BUCKET, Key="stolen").response["ResponseMetadata"]["HTTPStatusCode"] == 404

# Nobody has a scope for what else such headers change.
for name, value in (
    ("x-amz-acl", "public-read"), ("x-amz-grant-read", "uri=http://acs.amazonaws.com/groups/global/AllUsers"), ("x-amz-grant-full-control", "id=x"),
    ("x-amz-tagging", "a=b"), ("x-amz-object-lock-mode", "COMPLIANCE"), ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-website-redirect-location", "https://elsewhere"), ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-expected-bucket-owner", "1"), ("x-amz-bypass-governance-retention", "true"), ("x-amz-never-heard-of", "1"),
):
    for operation, method, target in (("s3PutObject", "PUT", f"/{BUCKET}/plain"), ("s3CreateBucket", "PUT", "/another"),
                                      ("s3DeleteObject", "DELETE", f"/{BUCKET}/plain")):
        answer = raw("ACCESS_KEY", method, target, {name: value})
        note(operation, answer, 501, "undocumented_parameter")
        assert b"<Code>NotImplemented</Code>" in answer.body, answer.body
assert owner.get_object(Bucket=BUCKET, Key="plain")["Body"].read() == b"plain"
tell(told=TOLD, head=list(head("WRITER", "PUT", f"/{BUCKET}/stolen", {"x-amz-copy-source": SOURCE}).items()))
