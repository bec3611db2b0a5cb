"""Streams of NATS, made and read with the client that its own people write.

    stream.py make SERVER STREAM SUBJECT [MOST]    of everything beneath the subject; with at most so many, and no more
    stream.py grow SERVER STREAM                   as many as there may be
    stream.py read SERVER STREAM                   a line of JSON for each message, in the order of the stream

SERVER is an address, and after commas: user, password, a file of authorities.
"""

import asyncio
import json
import ssl
import sys

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType, StreamConfig


async def connect(server):
    address, user, password, authority = (server.split(",") + [None] * 3)[:4]
    context = ssl.create_default_context(cafile=authority) if authority else None
    return await nats.connect(
        address, user=user, password=password, tls=context, allow_reconnect=False, connect_timeout=10
    )


async def make(js, stream, subject, most=-1):
    await js.add_stream(
        StreamConfig(
            name=stream,
            subjects=[f"{subject}.>"],
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msgs=int(most),
        )
    )


async def grow(js, stream):
    config = (await js.stream_info(stream)).config
    config.max_msgs = -1
    await js.update_stream(config)


async def read(js, stream):
    left = (await js.stream_info(stream)).state.messages
    everything = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE)
    reader = await js.pull_subscribe(">", stream=stream, config=everything)
    while left > 0:
        for message in await reader.fetch(min(left, 100), timeout=20):
            entry = json.loads(message.data)
            print(json.dumps({"subject": message.subject, "headers": message.headers, "entry": entry}))
            left -= 1


async def main(verb, server, *words):
    connection = await connect(server)
    try:
        await {"make": make, "grow": grow, "read": read}[verb](connection.jetstream(), *words)
    finally:
        await connection.close()


asyncio.run(main(*sys.argv[1:]))
