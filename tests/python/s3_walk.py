"""Every operation of s3.cloudnx.in, asked by boto3: what must work, and what a key without one of its scopes is told.

Environment: KEY, a key with every s3 permission, and LACKING, for each permission a key of the same tenant that has all
the others; BARE, a key with none; each `{"text": ..., "secret": ...}`. CONTROL, the address of the clouds' control port.
Each answer is held to the document, and told on a line of its own as `walk.py` tells its own.
"""

import json
import os

from control import control
from door import AUTHORITY, tell

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from documented import documents

KEY, BARE, LACKING = (json.loads(os.environ[it]) for it in ("KEY", "BARE", "LACKING"))
DOCUMENT = next(it for it in documents("cloudnx") if it.host == "s3.cloudnx.in")
KNOWN = {it.id: it for it in DOCUMENT.operations}
BUCKET = "walked"


def client(key):
    return boto3.client(
        "s3", endpoint_url=f"https://{DOCUMENT.host}", region_name="in-mum", verify=AUTHORITY,
        aws_access_key_id=key["text"], aws_secret_access_key=key["secret"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8, "mode": "standard"}, proxies={}),
    )


OWN = client(KEY)


def parts(key):
    """An upload that has begun, with one part."""
    upload = OWN.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = OWN.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    return upload, {"Parts": [{"PartNumber": 1, "ETag": part}]}


UPLOAD, PARTS = None, None
SOURCE = {"Bucket": BUCKET, "Key": "object"}
IN_BUCKET, AT_OBJECT = {"Bucket": BUCKET}, {"Bucket": BUCKET, "Key": "object"}


def of_upload(**more):
    return lambda: {"Bucket": BUCKET, "Key": "parts", "UploadId": UPLOAD, **more}


# In an order in which each finds what it needs.
CALLS = {
    "s3CreateBucket": ("create_bucket", lambda: IN_BUCKET),
    "s3ListBuckets": ("list_buckets", dict),
    "s3HeadBucket": ("head_bucket", lambda: IN_BUCKET),
    "s3GetBucketLocation": ("get_bucket_location", lambda: IN_BUCKET),
    "s3PutObject": ("put_object", lambda: {**AT_OBJECT, "Body": b"said", "ContentType": "application/octet-stream"}),
    "s3HeadObject": ("head_object", lambda: AT_OBJECT),
    "s3GetObject": ("get_object", lambda: AT_OBJECT),
    "s3CopyObject": ("copy_object", lambda: {"Bucket": BUCKET, "Key": "copy", "CopySource": SOURCE}),
    "s3ListObjects": ("list_objects", lambda: IN_BUCKET),
    "s3ListObjectsV2": ("list_objects_v2", lambda: IN_BUCKET),
    "s3CreateMultipartUpload": ("create_multipart_upload", lambda: {"Bucket": BUCKET, "Key": "parts"}),
    "s3UploadPart": ("upload_part", of_upload(PartNumber=1, Body=b"part")),
    "s3UploadPartCopy": ("upload_part_copy", of_upload(PartNumber=2, CopySource=SOURCE)),
    "s3ListParts": ("list_parts", of_upload()),
    "s3ListMultipartUploads": ("list_multipart_uploads", lambda: IN_BUCKET),
    "s3CompleteMultipartUpload": ("complete_multipart_upload", lambda: {**of_upload()(), "MultipartUpload": PARTS}),
    "s3AbortMultipartUpload": ("abort_multipart_upload", of_upload()),
    "s3DeleteObjects": ("delete_objects", lambda: {**IN_BUCKET, "Delete": {"Objects": [{"Key": "copy"}]}}),
    "s3DeleteObject": ("delete_object", lambda: AT_OBJECT),
    "s3DeleteBucket": ("delete_bucket", lambda: IN_BUCKET),
}


class Headers(dict):
    """Names in whichever case."""

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


def ask(name, s3):
    """Asks one operation, and gives what came back: status and headers."""
    verb, given = CALLS[name]
    try:
        shown = getattr(s3, verb)(**given())["ResponseMetadata"]
    except ClientError as error:
        shown = error.response["ResponseMetadata"]
    return shown["HTTPStatusCode"], Headers((name.lower(), it) for name, it in shown["HTTPHeaders"].items())


def check(name, case, s3, statuses, step=None):
    status, headers = ask(name, s3)
    assert status in statuses, (name, case, status, headers)
    KNOWN[name].check(status, headers, b"")
    tell(operation=name, case=case, id=headers.get("x-request-id"), status=status, step=step)


def walk(name):
    global UPLOAD, PARTS
    operation = KNOWN[name]
    successes = [int(it) for it in operation.content["responses"] if it.startswith("2")]
    if name in ("s3UploadPart", "s3UploadPartCopy", "s3CompleteMultipartUpload", "s3AbortMultipartUpload", "s3ListParts"):
        UPLOAD, PARTS = parts("parts")
    check(name, "no scope", client(BARE), [403], "authorize")
    for scope in scopes(operation):
        check(name, f"without {scope}", client(LACKING[scope]), [403], "authorize")
    if name == "s3DeleteBucket":
        empty()
    check(name, "success", OWN, successes)


def scopes(operation):
    return {scope for alternative in operation.content["security"] for listed in alternative.values() for scope in listed}


def empty():
    for it in OWN.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        OWN.delete_object(Bucket=BUCKET, Key=it["Key"])
    for it in OWN.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        OWN.abort_multipart_upload(Bucket=BUCKET, Key=it["Key"], UploadId=it["UploadId"])


for each in CALLS:
    walk(each)
