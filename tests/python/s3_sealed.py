"""A bucket that a policy lets nobody read, and a copy out of it.

Environment: ACCESS_KEY_ID and SECRET_ACCESS_KEY with every s3 permission. What is told: the id of the refused copy.
"""

import os

from door import AUTHORITY, refused, tell

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client(
    "s3", endpoint_url="https://s3.cloudnx.in", region_name="in-mum", verify=AUTHORITY,
    aws_access_key_id=os.environ["ACCESS_KEY_ID"], aws_secret_access_key=os.environ["SECRET_ACCESS_KEY"],
    config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8, "mode": "standard"}, proxies={}),
)
for bucket in ("open", "sealed"):
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="object", Body=b"said")
assert s3.get_object(Bucket="open", Key="object")["Body"].read() == b"said"
assert refused(ClientError, s3.get_object, Bucket="sealed", Key="object").response["ResponseMetadata"]["HTTPStatusCode"] == 403
s3.copy_object(Bucket="open", Key="copy", CopySource={"Bucket": "open", "Key": "object"})
copied = refused(ClientError, s3.copy_object, Bucket="open", Key="stolen", CopySource={"Bucket": "sealed", "Key": "object"})
tell(copied=copied.response["ResponseMetadata"]["HTTPHeaders"]["x-request-id"])
