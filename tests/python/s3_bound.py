"""Access keys of one bucket: what they open with boto3, and everything else that they must not.

Environment: OWNER, OTHER (of another tenant) and LOW (of OWNER's, without any s3 permission), each `{"text", "secret"}`.
What is told: each refused request with what its entry must say, and every secret that was shown.
"""

import json
import os

from asking import ask
from door import AUTHORITY, refused, tell

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HOST, API, BUCKET = "s3.cloudnx.in", "cloudnx.in", "photos"
KEYS = f"/storage/buckets/{BUCKET}/access-keys"
TOLD, SECRETS = [], []
OWNER, OTHER, LOW = (json.loads(os.environ[it]) for it in ("OWNER", "OTHER", "LOW"))


def client(key):
    return boto3.client(
        "s3", endpoint_url=f"https://{HOST}", region_name="in-mum", verify=AUTHORITY,
        aws_access_key_id=key["text"], aws_secret_access_key=key["secret"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8, "mode": "standard"}, proxies={}),
    )


def api(key, method, target, body=None, service="cloudnx"):
    data = json.dumps(body).encode() if body is not None else b""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    answer = ask(method, API, target, headers, data, key, service)
    return answer, json.loads(answer.body)


def made(access):
    answer, body = api(OWNER, "POST", KEYS, {"access": access})
    assert answer.status == 201, body
    assert (body["bucket"], body["access"], body["status"]) == (BUCKET, access, "active"), body
    SECRETS.append(body["secret_access_key"])
    return {"text": body["access_key_id"], "secret": body["secret_access_key"]}


def note(answer, status, reason):
    assert answer.status == status, (answer.status, answer.body)
    TOLD.append({"id": answer.id, "status": status, "reason": reason})


def no(status, reason, act, **named):
    shown = refused(ClientError, act, **named).response["ResponseMetadata"]
    assert shown["HTTPStatusCode"] == status, shown
    TOLD.append({"id": shown["HTTPHeaders"]["x-request-id"], "status": status, "reason": reason})


owner, other = client(OWNER), client(OTHER)
for bucket in (BUCKET, "private"):
    owner.create_bucket(Bucket=bucket)
    owner.put_object(Bucket=bucket, Key="one", Body=b"of the owner")
# A bucket of the same name that is another tenant's, where the store lets there be one.
try:
    other.create_bucket(Bucket=BUCKET)
    other.put_object(Bucket=BUCKET, Key="theirs", Body=b"of another")
except ClientError as taken:
    assert taken.response["Error"]["Code"] in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"), taken.response

writer_key, reader_key = made("read_write"), made("read_only")
writer, reader = client(writer_key), client(reader_key)

# All that is done in a bucket, by who may write there.
writer.put_object(Bucket=BUCKET, Key="two", Body=b"of the writer")
assert writer.get_object(Bucket=BUCKET, Key="one")["Body"].read() == b"of the owner"
writer.copy_object(Bucket=BUCKET, Key="three", CopySource={"Bucket": BUCKET, "Key": "two"})
upload = writer.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
part = writer.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
writer.list_parts(Bucket=BUCKET, Key="parts", UploadId=upload)
writer.complete_multipart_upload(
    Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
writer.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "parts"}]})
names = {it["Key"] for it in writer.list_objects_v2(Bucket=BUCKET)["Contents"]}
assert names == {"one", "two", "three"}, names
# By who may read there.
assert reader.get_object(Bucket=BUCKET, Key="two")["Body"].read() == b"of the writer"
assert {it["Key"] for it in reader.list_objects_v2(Bucket=BUCKET)["Contents"]} == names
reader.get_bucket_location(Bucket=BUCKET)
no(403, "insufficient_scope", reader.put_object, Bucket=BUCKET, Key="four", Body=b"no")
no(403, "insufficient_scope", reader.delete_object, Bucket=BUCKET, Key="one")
no(403, "insufficient_scope", reader.copy_object, Bucket=BUCKET, Key="four", CopySource={"Bucket": BUCKET, "Key": "one"})

# Another bucket, as what is written or as what is copied; the list of them; one that is not there yet.
for who in (writer, reader):
    no(403, "other_resource", who.get_object, Bucket="private", Key="one")
    no(403, "other_resource", who.list_objects_v2, Bucket="private")
    no(403, "other_resource", who.list_buckets)
no(403, "other_resource", writer.put_object, Bucket="private", Key="two", Body=b"no")
no(403, "other_resource", writer.copy_object, Bucket=BUCKET, Key="stolen", CopySource={"Bucket": "private", "Key": "one"})
no(403, "other_resource", writer.copy_object, Bucket="private", Key="spread", CopySource={"Bucket": BUCKET, "Key": "one"})
no(403, "other_resource", writer.create_bucket, Bucket="photos2")
no(403, "insufficient_scope", writer.create_bucket, Bucket=BUCKET)
no(403, "insufficient_scope", writer.delete_bucket, Bucket=BUCKET)
upload = writer.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
no(403, "other_resource", writer.upload_part_copy, Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1,
   CopySource={"Bucket": "private", "Key": "one"})
writer.abort_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload)

# The API: by the right service and by the other one, and as something to be exchanged.
for target in ("/storage/buckets", f"/storage/buckets/{BUCKET}", KEYS, "/compute/instances"):
    note(api(writer_key, "GET", target)[0], 401, "kind_not_taken")
note(api(writer_key, "POST", KEYS, {"access": "read_write"})[0], 401, "kind_not_taken")
note(api(writer_key, "GET", f"/storage/buckets/{BUCKET}", service="s3")[0], 401, "signature_malformed")
shown = {"access_key_id": writer_key["text"], "secret_access_key": writer_key["secret"]}
answer = ask("POST", API, "/auth/iam/exchange-credentials", {"Content-Type": "application/json"},
             json.dumps(shown).encode(), None, None)
note(answer, 401, "invalid_credentials")

# Nothing of another tenant's is opened by it, nor it by them.
assert "theirs" not in {it["Key"] for it in writer.list_objects_v2(Bucket=BUCKET)["Contents"]}
no_such = refused(ClientError, writer.get_object, Bucket=BUCKET, Key="theirs").response
assert no_such["ResponseMetadata"]["HTTPStatusCode"] == 404, no_such
answer, body = api(OTHER, "GET", KEYS)
assert (answer.status, body["access_keys"]) == (200, []), body
note(api(OTHER, "DELETE", f"{KEYS}/{writer_key['text']}")[0], 404, "not_found")
note(api(OWNER, "DELETE", f"/storage/buckets/private/access-keys/{writer_key['text']}")[0], 404, "not_found")

# Nobody gives or ends what they do not have.
note(api(LOW, "POST", KEYS, {"access": "read_only"})[0], 403, "insufficient_scope")
note(api(LOW, "DELETE", f"{KEYS}/{reader_key['text']}")[0], 403, "insufficient_scope")
note(api(OWNER, "POST", KEYS, {"access": "all"})[0], 400, "invalid_body")

# They are listed without their secrets, and end at once, with what they signed before.
answer, page = api(OWNER, "GET", f"{KEYS}?limit=1")
assert page["access_keys"][0]["access_key_id"] == writer_key["text"], page
assert page["access_keys"][0]["access"] == "read_write" and page["access_keys"][0]["last_used_at"], page
answer, rest = api(OWNER, "GET", f"{KEYS}?cursor={page['next_cursor']}")
assert [it["access_key_id"] for it in rest["access_keys"]] == [reader_key["text"]], rest
assert not any(it in json.dumps([page, rest]) for it in SECRETS)
link = writer.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "one"}).removeprefix(f"https://{HOST}")
assert ask("GET", HOST, link, {}, b"", None, None).status == 200
elsewhere = writer.generate_presigned_url("get_object", Params={"Bucket": "private", "Key": "one"})
note(ask("GET", HOST, elsewhere.removeprefix(f"https://{HOST}"), {}, b"", None, None), 403, "other_resource")
answer, body = api(OWNER, "DELETE", f"{KEYS}/{writer_key['text']}")
assert (answer.status, body) == (200, {"id": writer_key["text"], "status": "revoked"}), body
note(ask("GET", HOST, link, {}, b"", None, None), 403, "revoked")
no(403, "revoked", writer.get_object, Bucket=BUCKET, Key="one")
assert reader.get_object(Bucket=BUCKET, Key="one")["Body"].read() == b"of the owner"
tell(told=TOLD, secrets=SECRETS)
