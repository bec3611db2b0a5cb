"""A verifier of audit logs that shares no code with the gateway: written from gateway/audit/README.md.

    verify_log.py FOLDER VKEY [WITNESS-VKEY ...]

Prints as JSON how many entries there are, from which on, how many are signed for and how many any one witness stands
for, and the root; or says what is wrong, and exits with 1.
"""

import json
import re
import sys
from base64 import b64decode
from hashlib import sha256
from math import inf
from pathlib import Path

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """What is wrong with a log."""


def check(holds, words):
    if not holds:
        raise Wrong(words)


def read_vkey(text, kind=1):
    """The name of a key, its id, its kind, and itself."""
    name, number, key = text.strip().split("+", 2)
    key = b64decode(key, validate=True)
    known = sha256(name.encode() + b"\n" + key).digest()[:4]
    check(len(key) == 33 and key[0] == kind and known.hex() == number, f"`{text}` is not a key")
    return name, known, kind, key[1:]


class Note:
    """A checkpoint, and of each line below it who signed, and the id of the key with the signature."""

    FORM = "(([^\n]+)\n([0-9]+)\n(\\S+)\n(?:successor (\\S+) (\\S+)\n)?)\n((?:\u2014 \\S+ \\S+\n)+)"

    def __init__(self, file, note):
        told = re.fullmatch(self.FORM, note.decode())
        check(told, f"{file} is no checkpoint")
        text, self.origin, size, root, older, newer, lines = told.groups()
        self.file, self.text, self.size, self.root = file, text.encode(), int(size), b64decode(root, validate=True)
        self.older, self.newer = (it and read_vkey(it) for it in (older, newer))
        self.lines = [(who, b64decode(it, validate=True)) for _, who, it in map(str.split, lines.splitlines())]

    def signed_by(self, vkey):
        """Whether this key, of a log or of a witness, has signed; and nothing that does not hold bears its name."""
        name, known, kind, key = vkey
        own = [it[4:] for who, it in self.lines if (who, it[:4]) == (name, known)]
        for it in own:
            before = b"cosignature/v1\ntime %d\n" % int.from_bytes(it[:8], "big") if kind == 4 else b""
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(it[8:] if kind == 4 else it, before + self.text)
            except InvalidSignature:
                raise Wrong(f"a signature by {name} in {self.file} does not hold") from None
        return bool(own)


def keys_known_by(vkey, notes):
    """The keys before and after the one that is known, each with the size up to which it stands alone."""
    both = [it for it in notes if it.older and it.older[0] == it.newer[0] == it.origin]
    both = [it for it in sorted(both, key=lambda it: it.size) if it.signed_by(it.older) and it.signed_by(it.newer)]
    after, last, before = {vkey: inf}, vkey, {vkey: inf}
    for it in both:
        if it.older == last and it.newer not in after:
            after, last = after | {last: it.size, it.newer: inf}, it.newer
        check(it.older not in after or it.newer in after, f"two keys took over from one of {vkey[0]}")
    for it in reversed(both):
        if it.newer in before:
            before[it.older] = it.size
    return before | after


def content(path):
    """What is in a file; nothing where there is none, none any more, or a pipe that nobody writes to."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


def path_of(number):
    *groups, last = re.findall("...", str(number).zfill(-(-len(str(number)) // 3) * 3))
    return "/".join([*("x" + it for it in groups), last])


def leaf(entry):
    return sha256(b"\0" + entry).digest()


def bundle(data, width=256):
    """The entries of a bundle; none where it is not whole."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    return entries if at == len(data) and len(entries) == width else []


def frame(data, at):
    """The entry in the whole frame of a write-ahead file that begins here, if one does, and where that ends."""
    end = at + 28 + int.from_bytes(data[at : at + 4], "little")
    entry = data[at + 28 : end] if end <= at + 28 + 60 * 1024 else b""
    known = sha256(leaf(entry) + data[at + 12 : at + 28]).digest()[:8]
    return entry if entry and end <= len(data) and known == data[at + 4 : at + 12] else None, end


def ahead(path):
    """The entries of a write-ahead file up to the first that is not whole, and whether that one was changed."""
    data, at, entries = content(path), 0, []
    while (found := frame(data, at))[0]:
        entries.append(found[0])
        at = found[1]
    later = range(at + 1, min(at + 28 + 60 * 1024, len(data)) + 1)
    after, entry = next(((it, entry) for it in later if (entry := frame(data, it)[0])), (len(data), None))
    if entry and entries:
        last, then = decode(entries[-1]), decode(entry)
        again = [last["node"], last["boot"], last["node_seq"] + 1] == [then["node"], then["boot"], then["node_seq"]]
        begins = then["node_seq"] == 0 and found[1] != after
        check(not again and not begins, f"{after - at} bytes at {at} of {path} were put there by somebody")
    return entries, at < len(data) and (entry is not None or found[1] == len(data))


def entries_of(log, number, signed):
    """The entries from a number on, of whole bundles, else of write-ahead files; and before it hashes alone."""
    for tile in (log / "tile/0" / path_of(it) for it in range(number // 256)):
        hashes = content(tile)
        check(len(hashes) == 256 * 32, f"{tile} is missing or damaged")
        yield from ((hashes[at : at + 32], None) for at in range(0, len(hashes), 32))
    names = [it for it in (log / "wal").glob("*.wal") if re.fullmatch("[0-9]{20}", it.stem)]
    files = [(it, int(it.stem), *ahead(it)) for it in sorted(names, reverse=True)]
    rest = True
    while rest:
        rest = bundle(content(log / "tile/entries" / path_of(number // 256)))[number % 256 :]
        having = (entries[number - first :] for _, first, entries, _ in files if first <= number)
        rest = rest or next(filter(None, having), [])
        yield from ((leaf(it), it) for it in rest)
        number += len(rest)
    for file, first, entries, changed in files:
        good = not changed or not first <= number < signed
        check(good, f"entry {first + len(entries)} in `wal/{file.name}` was changed")


def is_plain(value):
    """Whether this is of the kinds that entries hold."""
    if isinstance(value, dict):
        return all(isinstance(name, str) for name in value) and is_plain([*value.values()])
    if isinstance(value, list):
        return all(map(is_plain, value))
    return isinstance(value, str) or (isinstance(value, int) and -(2**64) <= value < 2**64)


def decode(entry, number="of a write-ahead file"):
    """The map that an entry is, if it is one and is written as it must be."""
    try:
        fields = cbor2.loads(entry)
        whole = is_plain(fields) and cbor2.dumps(fields, canonical=True) == entry
        check(whole and {"class", "node", "boot", "node_seq"} <= fields.keys(), f"entry {number} is not an entry")
    except (cbor2.CBORError, AttributeError):
        raise Wrong(f"entry {number} is not an entry") from None
    return fields


def root_of(nodes):
    """The root over roots of subtrees of one size, the last of which may have less beneath it."""
    if len(nodes) < 2:
        return nodes[0] if nodes else sha256().digest()
    split = 1 << (len(nodes) - 1).bit_length() - 1
    return sha256(b"\1" + root_of(nodes[:split]) + root_of(nodes[split:])).digest()


def root_from(path, number, size, hashed):
    """The root that a proof leads to (RFC 9162 section 2.1.3)."""
    if size == 1:
        check(not path and number == 0, "a proof is of another length")
        return hashed
    *path, step = path
    split = 1 << (size - 1).bit_length() - 1
    if number < split:
        return sha256(b"\1" + root_from(path, number, split, hashed) + step).digest()
    return sha256(b"\1" + step + root_from(path, number - split, size - split, hashed)).digest()


class Tree:
    """The hashes that tiles should have, of each level those of the last one, and whether they have them."""

    def __init__(self, log):
        self.log, self.size, self.levels = log, 0, [[] for _ in range(8)]

    def hold(self, level, row, number, part=""):
        path = self.log / "tile" / str(level) / (path_of(number) + part)
        check(content(path) in (b"", b"".join(row)), f"{path} does not hold the hashes of what is beneath it")

    def push(self, hashed):
        self.size += 1
        for level, row in enumerate(self.levels):
            row.append(hashed)
            if len(row) < 256:
                return
            self.hold(level, row, self.size // 256 ** (level + 1) - 1)
            hashed, self.levels[level] = root_of(row), []

    def root(self):
        rest = []
        for row in self.levels:
            rest = [root_of(row + rest)] if row + rest else []
        return root_of(rest)

    def hold_edge(self):
        """The tiles that are not whole, and the bundle beneath them."""
        for level, row in enumerate(self.levels):
            if row:
                self.hold(level, row, self.size // 256 ** (level + 1), f".p/{len(row)}")
        row, path = self.levels[0], self.log / "tile/entries" / f"{path_of(self.size // 256)}.p/{self.size % 256}"
        found = row and content(path)
        check(not found or [leaf(it) for it in bundle(found, len(row))] == row, f"{path} holds other entries")


class Runs:
    """What each run has said; where a log begins late, nobody knows what was to come, nor how the run before ended."""

    def __init__(self, late):
        self.next, self.current, self.stopped, self.late = {}, None, late, late

    def take(self, number, fields):
        run, count = (fields["node"], fields["boot"]), fields["node_seq"]
        action = fields.get("action") if fields["class"] == "audit.control" else None
        if run not in self.next and not self.late:
            so = {"nothing": number == 0, "stop": self.stopped, "crash": True}.get(fields.get("before"))
            check(action == "start" and so, f"entry {number} does not begin a run as it should")
        expected = count if self.late else self.next.get(run, 0)
        check(count == expected, f"entry {number} is number {count} of its run, not {expected}")
        self.stopped = action == "stop" or (self.stopped and (run == self.current or self.late))
        self.next[run], self.current, self.late = count + 1, run, False


def judge_pruned(minimum, heard, kept):
    """Holds what is gone to what entries say of it, and to how many are kept of the range that begins where."""
    said = [it for number, it in heard if it["class"] == "retention.pruned" and it["end"] <= number]
    reached = 0
    for first, end in sorted((it["first"], it["end"]) for it in said):
        reached = max(reached, end) if first <= reached else reached
    check(minimum <= reached, f"entries {reached} to {minimum - 1} are gone, and no entry says that they were pruned")
    past = max((it["end"] for it in said if it["what"] == "kept"), default=0)
    for first, it in {it["first"]: it for it in said if it["what"] == "entries"}.items():
        there = kept.get(first, 0) >= it["kept"] or not past < it["end"] <= minimum
        check(there, f"{it['kept']} of the entries {first} to {it['end'] - 1} were kept longer, and are not all there")


def kept_of(file, held, note):
    """The entries that were kept of a range that was pruned, each proved."""
    entries = [(it["seq"], b64decode(it["raw"], validate=True), it["proof"]) for it in held["entries"]]
    numbers = [number for number, _, _ in entries]
    check(held["form"] == 1 and numbers == sorted(set(numbers)), f"{file} is of another form, or out of order")
    for number, entry, proof in entries:
        path = [b64decode(it, validate=True) for it in proof]
        proved = held["first"] <= number < held["end"] and root_from(path, number, note.size, leaf(entry)) == note.root
        check(proved, f"{file} does not prove entry {number}")
        yield number, decode(entry, number)


def verify(log, vkey, witnesses):
    kept = [it for it in sorted((log / "checkpoints").glob("*")) if it.suffix in (".note", ".cosigned")]
    notes = [Note(it.name, content(it)) for it in [log / "checkpoint", *log.glob("checkpoint.cosigned"), *kept]]
    keys, minimum = keys_known_by(vkey, notes), content(log / "minimum") or b"0\n"
    check(re.fullmatch(b"[0-9]+\n", minimum) and int(minimum) % 256 == 0, "`minimum` does not say where the log begins")
    minimum, heard, counts, stated, witnessed = int(minimum), [], {}, {}, [0]
    for file in (it for it in sorted((log / "kept").glob("*")) if int(it.name) < minimum):
        held = json.loads(content(file))
        notes.append(Note(file.name, held["checkpoint"].encode()))
        heard += kept_of(file.name, held, notes[-1])
        counts[held["first"]] = len(held["entries"])
    for note in notes:
        # All of them, because none may have signed with what does not hold.
        own = [note.signed_by(key) and note.size <= until for key, until in keys.items()]
        check(any(own) and note.origin == vkey[0], f"{note.file} is not signed by {vkey[0]}, or is of another log")
        check(stated.setdefault(note.size, note.root) == note.root, f"two checkpoints of {note.size} entries disagree")
        witnessed += [note.size] if any([note.signed_by(it) for it in witnesses]) else []
    signed, tree, runs = max(stated), Tree(log), Runs(minimum > 0)
    for number, (hashed, entry) in enumerate(entries_of(log, minimum, signed)):
        if entry is not None:
            fields = decode(entry, number)
            runs.take(number, fields)
            heard += [(number, fields)] if fields["class"] == "retention.pruned" else []
        tree.push(hashed)
        good = tree.size not in stated or stated[tree.size] == tree.root()
        check(good, f"the entries up to {tree.size} are not those that were signed for")
        if tree.size == signed:
            tree.hold_edge()
    check(signed <= tree.size, f"{signed} entries are signed for, and entry {tree.size} is missing")
    judge_pruned(minimum, heard, counts)
    last = max(witnessed) if witnesses else None
    return {"entries": tree.size, "minimum": minimum, "signed": signed, "witnessed": last, "root": stated[signed].hex()}


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: verify_log.py FOLDER VKEY [WITNESS-VKEY ...]")
    try:
        named = [read_vkey(it, 4) for it in sys.argv[3:]]
        print(json.dumps(verify(Path(sys.argv[1]), read_vkey(sys.argv[2]), named)))
    except (Wrong, LookupError, TypeError, ValueError, OSError) as wrong:
        sys.exit(f"wrong: {wrong}")
