"""boto3 against s3.cloudnx.in, as its users write it.

Environment: ACCESS_KEY_ID and SECRET_ACCESS_KEY with every s3 permission; READER_ID and READER_SECRET of the same
tenant without s3:DeleteObject; OTHER_ID and OTHER_SECRET with every s3 permission in another tenant.
"""

import os
import ssl
import urllib.error
import urllib.request

from door import AUTHORITY, refused, tell

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError


def client(name, secret=None, **more):
    """As in the reference, but for whom it trusts. Thirty requests a second are the limit: what is slowed down is tried again."""
    return boto3.client(
        "s3",
        endpoint_url="https://s3.cloudnx.in",
        region_name="in-mum",
        aws_access_key_id=os.environ[f"{name}_ID"],
        aws_secret_access_key=secret or os.environ["SECRET_ACCESS_KEY" if name == "ACCESS_KEY" else f"{name}_SECRET"],
        verify=AUTHORITY,
        config=Config(s3={"addressing_style": "path", **more}, retries={"total_max_attempts": 8, "mode": "standard"}, proxies={}),
    )


def code(error):
    return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]


s3 = client("ACCESS_KEY")
bucket = "acceptance-bucket"
s3.create_bucket(Bucket=bucket)
assert bucket in [it["Name"] for it in s3.list_buckets()["Buckets"]]
s3.head_bucket(Bucket=bucket)

# Keys that test every spelling on the way: spaces, plus, percent, slashes twice, other scripts.
bodies = {
    "plain.txt": b"hello",
    "folder/with space+plus%25.txt": b"a" * 70_000,
    "double//slash": b"kept as it is",
    "हिन्दी/ключ": "हेलो".encode(),
    "empty": b"",
}
for key, body in bodies.items():
    put = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/plain", Metadata={"made-by": "acceptance"})
    assert put["ETag"], put
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == body, key
    assert got["Metadata"] == {"made-by": "acceptance"}, got
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
listed = [it["Key"] for page in pages for it in page.get("Contents", [])]
assert sorted(listed) == sorted(bodies), listed
under = s3.list_objects_v2(Bucket=bucket, Prefix="folder/", Delimiter="/")
assert [it["Key"] for it in under["Contents"]] == ["folder/with space+plus%25.txt"], under
part = s3.get_object(Bucket=bucket, Key="folder/with space+plus%25.txt", Range="bytes=10-19")
assert part["ResponseMetadata"]["HTTPStatusCode"] == 206 and part["Body"].read() == b"a" * 10

# The body signed chunk by chunk, unsigned, and whole.
for name, more in (("signed", {"payload_signing_enabled": True}), ("unsigned", {"payload_signing_enabled": False})):
    client("ACCESS_KEY", **more).put_object(Bucket=bucket, Key=name, Body=os.urandom(200_000))
    assert s3.head_object(Bucket=bucket, Key=name)["ContentLength"] == 200_000

# In parts: five MiB is the least a part may have.
parts = [os.urandom(5 << 20), os.urandom(123_457)]
upload = s3.create_multipart_upload(Bucket=bucket, Key="in-parts")["UploadId"]
etags = [s3.upload_part(Bucket=bucket, Key="in-parts", UploadId=upload, PartNumber=number, Body=body)["ETag"]
         for number, body in enumerate(parts, 1)]
assert len(s3.list_parts(Bucket=bucket, Key="in-parts", UploadId=upload)["Parts"]) == 2
s3.complete_multipart_upload(
    Bucket=bucket, Key="in-parts", UploadId=upload,
    MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]},
)
assert s3.get_object(Bucket=bucket, Key="in-parts")["Body"].read() == b"".join(parts)
dropped = s3.create_multipart_upload(Bucket=bucket, Key="dropped")["UploadId"]
s3.abort_multipart_upload(Bucket=bucket, Key="dropped", UploadId=dropped)

# A link that needs no key, and the same link with one character changed.
link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "plain.txt"}, ExpiresIn=60)
trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=AUTHORITY))
browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
assert browser.open(link).read() == b"hello"
forged = refused(urllib.error.HTTPError, browser.open, link.replace("plain.txt", "empty"))
assert forged.code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in forged.read(), forged

weeks = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "plain.txt"}, ExpiresIn=604_801)
long = refused(urllib.error.HTTPError, browser.open, weeks)
assert long.code == 400 and b"<Code>AuthorizationQueryParametersError</Code>" in long.read(), long

# An encoded slash, which the library never sends by itself, is the slash it stands for.
encoded = AWSRequest("GET", f"https://s3.cloudnx.in/{bucket}/double%2F%2Fslash", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
own = Credentials(os.environ["ACCESS_KEY_ID"], os.environ["SECRET_ACCESS_KEY"])
S3SigV4Auth(own, "s3", "in-mum").add_auth(encoded)
found = browser.open(urllib.request.Request(encoded.url, headers=dict(encoded.headers.items())))
assert found.read() == b"kept as it is"

# Refusals, as the library's exceptions.
wrong = refused(ClientError, client("ACCESS_KEY", secret="0" * 40).list_buckets)
assert code(wrong) == ("SignatureDoesNotMatch", 403), wrong.response
os.environ["NOBODY_ID"], os.environ["NOBODY_SECRET"] = "CNXNOBODYNOBODYNOBOD", "0" * 40
unknown = refused(ClientError, client("NOBODY").list_buckets)
assert code(unknown)[1] == 403, unknown.response
reader = client("READER")
assert reader.get_object(Bucket=bucket, Key="plain.txt")["Body"].read() == b"hello"
denied = refused(ClientError, reader.delete_object, Bucket=bucket, Key="plain.txt")
assert code(denied) == ("AccessDenied", 403), denied.response
other = client("OTHER")
assert bucket not in [it["Name"] for it in other.list_buckets()["Buckets"]]
hidden = refused(ClientError, other.get_object, Bucket=bucket, Key="plain.txt")
assert code(hidden)[1] in (403, 404), hidden.response
absent = refused(ClientError, s3.get_object, Bucket=bucket, Key="absent")
assert code(absent) == ("NoSuchKey", 404), absent.response
head = refused(ClientError, s3.head_object, Bucket=bucket, Key="absent")
empty = s3.put_object(Bucket=bucket, Key="empty", Body=b"")

# The bucket before the host, which is the same bucket, signed in another form.
virtual = client("ACCESS_KEY", addressing_style="virtual")
virtual.put_object(Bucket=bucket, Key="folder/virtual host+", Body=b"virtual")
assert s3.get_object(Bucket=bucket, Key="folder/virtual host+")["Body"].read() == b"virtual"
assert virtual.get_object(Bucket=bucket, Key="double//slash")["Body"].read() == b"kept as it is"
assert "in-parts" in [it["Key"] for it in virtual.list_objects_v2(Bucket=bucket)["Contents"]]
virtual.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "plain.txt"})
link = virtual.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "copied"}, ExpiresIn=60)
assert link.startswith(f"https://{bucket}.s3.cloudnx.in/copied?") and browser.open(link).read() == b"hello", link
elsewhere = refused(urllib.error.HTTPError, browser.open, link.replace(f"//{bucket}.", "//another-bucket."))
assert elsewhere.code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in elsewhere.read(), elsewhere
virtual.create_bucket(Bucket="virtual-bucket")
virtual.delete_bucket(Bucket="virtual-bucket")

full = refused(ClientError, s3.delete_bucket, Bucket=bucket)
assert code(full) == ("BucketNotEmpty", 409), full.response

# And away with it all.
everything = [{"Key": it["Key"]} for it in s3.list_objects_v2(Bucket=bucket)["Contents"]]
deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": everything})
assert len(deleted["Deleted"]) == len(everything), deleted
s3.delete_bucket(Bucket=bucket)
assert bucket not in [it["Name"] for it in s3.list_buckets()["Buckets"]]


# Every answer has its id where the library looks for it, whether it has a body or none.
for answer in (s3.list_buckets(), absent.response, denied.response, head.response, empty):
    about = answer["ResponseMetadata"]
    assert about["RequestId"] == about["HTTPHeaders"]["x-request-id"] == about["HTTPHeaders"]["x-amz-request-id"], about


def request_id(error):
    return error.response["ResponseMetadata"]["RequestId"]


tell(refused={"bad_signature": request_id(wrong), "missing_scope": request_id(denied)}, forged=forged.headers["x-request-id"])
