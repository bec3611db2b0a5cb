"""Writes what a gateway wrote long ago, before there is anything else: `old_log.py FOLDER NODE COUNT DAYS SEED`.

COUNT entries, so many days old, in a write-ahead file, with the tags of the gateway whose seed is in the file SEED, in
hexadecimal; each hundredth is of a class that is kept longer.
"""

import hashlib
import hmac
import struct
import sys
import time
from pathlib import Path


def head(major, number):
    for short, width, form in ((24, 1, ">B"), (25, 2, ">H"), (26, 4, ">I"), (27, 8, ">Q")):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << 8 * width:
            return bytes([major << 5 | short]) + struct.pack(form, number)
    raise ValueError(number)


def encode(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    fields = sorted((len(name), name) for name in value)
    return head(5, len(value)) + b"".join(encode(name) + encode(value[name]) for _, name in fields)


def hmac_sha256(key, text):
    return hmac.digest(key, text, "sha256")


def main(folder, node, count, days, seed):
    key = hmac_sha256(seed, b"portcullis audit tag v1")
    then = int(time.time()) - days * 86_400
    frames = b""
    for number in range(count):
        entry = {"boot": "0", "class": "config.change" if number % 100 == 0 else "heartbeat", "node": node}
        if number == 0:
            entry |= {"class": "audit.control", "action": "start", "before": "nothing"}
        entry = encode(entry | {"node_seq": number, "schema": 1, "time": then * 10**9 + number})
        leaf = hashlib.sha256(b"\0" + entry).digest()
        tag = hmac_sha256(key, b"\0" + struct.pack("<Q", number) + leaf)[:16]
        frames += struct.pack("<I", len(entry)) + hashlib.sha256(leaf + tag).digest()[:8] + tag + entry
    (folder / "wal").mkdir(mode=0o700, parents=True)
    (folder / "wal" / f"{0:020}.wal").write_bytes(frames)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5]), bytes.fromhex(Path(sys.argv[5]).read_text()))
