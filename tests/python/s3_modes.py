"""Every way in which boto3 and the AWS CLI send and fetch bodies, against s3.cloudnx.in.

Environment: ACCESS_KEY_ID and SECRET_ACCESS_KEY with every s3 permission. What is told: a presigned address, for
somebody to ask after the key was revoked.
"""

import contextlib
import io
import os
import pathlib
import ssl
import tempfile
import urllib.request

from door import AUTHORITY, tell

import awscli.clidriver
import boto3
from botocore.config import Config

BUCKET = "modes"


def client(**more):
    return boto3.client(
        "s3",
        endpoint_url="https://s3.cloudnx.in",
        region_name="in-mum",
        aws_access_key_id=os.environ["ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["SECRET_ACCESS_KEY"],
        verify=AUTHORITY,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8, "mode": "standard"}, proxies={}, **more),
    )


usual, sparing = client(), client(request_checksum_calculation="when_required")
usual.create_bucket(Bucket=BUCKET)
bodies = (b"", b"x", os.urandom(70_000), os.urandom(2_500_000))
for s3 in (usual, sparing):
    for body in bodies:
        s3.put_object(Bucket=BUCKET, Key="object", Body=body)
        assert s3.get_object(Bucket=BUCKET, Key="object")["Body"].read() == body
        s3.upload_fileobj(io.BytesIO(body), BUCKET, "file")
        assert s3.get_object(Bucket=BUCKET, Key="file")["Body"].read() == body
    parts = [os.urandom(5 << 20), os.urandom(300_000)]
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    etags = [s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=at, Body=body)["ETag"] for at, body in enumerate(parts, 1)]
    done = {"Parts": [{"PartNumber": at, "ETag": etag} for at, etag in enumerate(etags, 1)]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload=done)
    assert s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == b"".join(parts)
    assert {it["Key"] for it in s3.list_objects_v2(Bucket=BUCKET)["Contents"]} >= {"object", "file", "parts"}
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "object"}, {"Key": "file"}]})
    s3.delete_object(Bucket=BUCKET, Key="parts")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)

# The checksum that follows a body is kept with it.
for algorithm in ("CRC32", "SHA1", "SHA256"):
    put = usual.put_object(Bucket=BUCKET, Key="object", Body=bodies[2], ChecksumAlgorithm=algorithm)
    got = usual.get_object(Bucket=BUCKET, Key="object", ChecksumMode="ENABLED")
    assert put[f"Checksum{algorithm}"] == got[f"Checksum{algorithm}"] and got["Body"].read() == bodies[2], algorithm

# Links to fetch and to put by, for a browser that knows no key.
trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=AUTHORITY))
browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
link = usual.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "linked"}, ExpiresIn=600)
for body in bodies:
    assert browser.open(urllib.request.Request(link, body, method="PUT")).status == 200
    assert usual.get_object(Bucket=BUCKET, Key="linked")["Body"].read() == body
fetch = usual.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "linked"}, ExpiresIn=600)
assert browser.open(fetch).read() == bodies[-1]

# The same with the AWS CLI, which is another copy of another age.
os.environ |= {
    "AWS_ACCESS_KEY_ID": os.environ["ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY": os.environ["SECRET_ACCESS_KEY"],
    "AWS_CA_BUNDLE": AUTHORITY, "AWS_DEFAULT_REGION": "in-mum", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "8",
    "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def aws(*words):
    """Runs the command line as `aws` would, and gives what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = awscli.clidriver.create_clidriver().main([*words, "--endpoint-url", "https://s3.cloudnx.in"])
    assert code == 0, (words, code, said.getvalue())
    return said.getvalue()


with tempfile.TemporaryDirectory() as folder:
    source, copy = pathlib.Path(folder, "source"), pathlib.Path(folder, "copy")
    # Over 8 MiB the CLI sends parts.
    for body in (b"", b"hello", os.urandom(9_000_000)):
        source.write_bytes(body)
        aws("s3", "cp", str(source), f"s3://{BUCKET}/cli")
        aws("s3", "cp", f"s3://{BUCKET}/cli", str(copy))
        assert copy.read_bytes() == body, len(body)
    source.write_bytes(bodies[2])
    aws("s3api", "put-object", "--bucket", BUCKET, "--key", "cli", "--body", str(source), "--checksum-algorithm", "SHA256")
    assert usual.get_object(Bucket=BUCKET, Key="cli")["Body"].read() == bodies[2]
    assert "cli" in aws("s3", "ls", f"s3://{BUCKET}/")
    presigned = aws("s3", "presign", f"s3://{BUCKET}/cli").strip()
    assert browser.open(presigned).read() == bodies[2]
    aws("s3", "rm", f"s3://{BUCKET}/cli")
tell(link=fetch.removeprefix("https://s3.cloudnx.in"))
