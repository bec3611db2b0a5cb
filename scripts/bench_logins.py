"""The load of `LOGINS=40 make bench`: small GETs at a steady pace, and beside them people who sign in.

Run by `scripts/bench` as a process of its own for either load, so that neither waits for the other:

    bench_logins.py gets PORT SECONDS RATE KEY
    bench_logins.py logins PORT SECONDS RATE PASSWORD CA NAMES

Open loop: what is sent next does not wait for what was sent before, so a server that stalls is not asked less. Each answer
is timed from the moment that its request was sent; how late the load itself is does not count. Prints one JSON document:
`sent`, `refused` (the statuses other than 200) and `millis`, the time of each other answer.
"""

import asyncio
import itertools
import json
import random
import ssl
import sys
import time

from bench_api import HOST, LOGIN, PATH

PATIENCE = 10  # seconds to wait for the last answers


class Connection(asyncio.Protocol):
    """One connection, with one request under way at most."""

    def __init__(self):
        self.seen, self.answer, self.open = b"", None, True

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, why):
        self.open = False
        if self.answer and not self.answer.done():
            self.answer.set_exception(ConnectionError(f"the gateway closed a connection: {why}"))

    def data_received(self, data):
        self.seen += data
        head, end, body = self.seen.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) >= int(fields[b"content-length"]):
            self.seen, self.open = b"", fields.get(b"connection") != b"close"
            self.answer.set_result(int(head.split(b" ", 2)[1]))

    async def ask(self, request):
        """The status of the answer, and how many milliseconds it took."""
        self.answer = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        self.transport.write(request)
        return await self.answer, (time.perf_counter() - begun) * 1000


async def pace(port, seconds, rate, requests, tls=None):
    """Sends requests at random moments, so many a second on average, and gives what came of them."""
    loop = asyncio.get_running_loop()
    idle, answers = [], []
    where = {"host": "127.0.0.1", "port": port, "ssl": tls, "server_hostname": HOST if tls else None}

    async def ask(request):
        while idle and not idle[-1].open:
            idle.pop()
        connection = idle.pop() if idle else (await loop.create_connection(Connection, **where))[1]
        answers.append(await connection.ask(request))
        idle.append(connection)

    due, end = loop.time(), loop.time() + seconds
    async with asyncio.timeout(seconds + PATIENCE), asyncio.TaskGroup() as asked:
        while (due := due + random.expovariate(rate)) < end:
            await asyncio.sleep(due - loop.time())
            asked.create_task(ask(next(requests)))
    refused = [status for status, _ in answers if status != 200]
    return {"sent": len(answers), "refused": refused, "millis": [took for status, took in answers if status == 200]}


def get(key):
    return f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def login(password, name):
    body = json.dumps({"email": name, "password": password})
    head = (f"POST {LOGIN} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
    return (head + body).encode()


def main():
    kind, port, seconds, rate, secret, *rest = sys.argv[1:]
    if kind == "gets":
        requests, tls = [get(secret)], None
    else:  # over plain HTTP nobody signs in
        requests, tls = [login(secret, name) for name in rest[1:]], ssl.create_default_context(cafile=rest[0])
    print(json.dumps(asyncio.run(pace(int(port), float(seconds), float(rate), itertools.cycle(requests), tls))))


if __name__ == "__main__":
    main()
