"""Uploads an object to s3.cloudnx.in through the gateway of a running demo with boto3, and reads it back.

Lies beside `demo.json`, as `upload.py`; run by a Python that has boto3.
"""

import json
import socket
from pathlib import Path

import boto3
from botocore.config import Config

demo = json.loads(Path(__file__).with_name("demo.json").read_text())
key = demo["apis"]["cloudnx"]["keys"][0]
address, _, port = demo["listeners"]["https"].rpartition(":")
resolve = socket.getaddrinfo


def to_the_demo(host, *rest, **more):
    """In place of an entry in /etc/hosts."""
    return resolve(address if host == "s3.cloudnx.in" else host, *rest, **more)


socket.getaddrinfo = to_the_demo

s3 = boto3.client(
    "s3",
    endpoint_url=f"https://s3.cloudnx.in:{port}",
    region_name="in-mum",
    aws_access_key_id=key["access_key_id"],
    aws_secret_access_key=key["secret_access_key"],
    verify=demo["ca"],
    config=Config(s3={"addressing_style": "path"}, proxies={}),
)
bucket = "demo-bucket"
if bucket not in [it["Name"] for it in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="hello.txt", Body=b"hello through the gateway\n", ContentType="text/plain")
answer = s3.get_object(Bucket=bucket, Key="hello.txt")
print(answer["Body"].read().decode(), end="")
print("request id", answer["ResponseMetadata"]["RequestId"])
