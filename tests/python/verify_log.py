"""A verifier of audit logs that shares no code with the gateway: written from gateway/audit/README.md.

    verify_log.py FOLDER VKEY [WITNESS ...]

Prints `{"entries": .., "signed": .., "witnessed": .., "root": ".."}`, where any one of the witnesses is enough, or says what is wrong and exits with 1. Needs nothing but Python.
"""

import base64
import hashlib
import json
import re
import struct
import sys
from pathlib import Path

# --- Ed25519, verifying alone (RFC 8032 section 5.1) -----------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Wrong("no point of the curve")
    return P - x if x & 1 != sign else x


def point(encoded):
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= P:
        raise Wrong("no point of the curve")
    x = recover_x(y, sign)
    return x, y, 1, x * y % P


def add(one, other):
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, base):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, base)
        base, scalar = add(base, base), scalar >> 1
    return total


BASE_Y = 4 * pow(5, P - 2, P) % P


def holds(key, text, signature):
    if len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(r + key + text).digest(), "little") % ORDER
    base_x = recover_x(BASE_Y, 0)
    left = times(s, (base_x, BASE_Y, 1, base_x * BASE_Y % P))
    right = add(point(r), times(challenge, point(key)))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- notes and checkpoints -------------------------------------------------------------------------------------------


class Wrong(Exception):
    """What is wrong with a log."""


def read_vkey(text, kind=1):
    name, number, key = text.strip().split("+", 2)
    key = base64.b64decode(key, validate=True)
    known = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if key[0] != kind or len(key) != 33 or known.hex() != number:
        raise Wrong(f"`{text}` is not a key")
    return name, known, key[1:]


def read_note(file):
    """The text, and of each line below it who signed, the id of the key and the signature."""
    return split_note(content(file), file.name)


def split_note(note, name):
    text, empty, lines = note.rpartition(b"\n\n")
    if not empty or not lines.endswith(b"\n"):
        raise Wrong(f"{name} is no note")
    signatures = []
    for line in lines.decode().splitlines():
        dash, who, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if dash != "\u2014":
            raise Wrong(f"{name} is no note")
        signatures.append((who, signature[:4], signature[4:]))
    return text + b"\n", signatures


def signed_by(vkey, text, signatures):
    """Whether this key signed, and with nothing that does not hold."""
    name, known, key = vkey
    own = [signature for who, number, signature in signatures if (who, number) == (name, known)]
    if not all(holds(key, text, it) for it in own):
        raise Wrong(f"a signature by {name} does not hold")
    return bool(own)


def cosigned_by(vkey, text, signatures):
    """The same of a witness, whose signature begins with its time."""
    name, known, key = vkey
    own = [signature for who, number, signature in signatures if (who, number) == (name, known)]
    for it in own:
        (seconds,) = struct.unpack_from(">Q", it)
        if not holds(key, b"cosignature/v1\ntime %d\n" % seconds + text, it[8:]):
            raise Wrong(f"a signature by {name} does not hold")
    return bool(own)


def handovers(files):
    """Which key took over from which, as both say, and at which size."""
    for text, signatures in map(read_note, files):
        name, size, _, *more = text.decode().split("\n")
        said = [it.split(" ")[1:] for it in more if it.startswith("successor ")]
        if said and all(signed_by(it, text, signatures) and it[0] == name for it in map(read_vkey, said[0])):
            yield read_vkey(said[0][0]), read_vkey(said[0][1]), int(size)


def keys_known_by(vkey, files):
    """The keys before and after the one that is known, each with the size up to which it stands alone."""
    known = sorted(handovers(files), key=lambda it: it[2])
    keys, until = [vkey], [float("inf")]
    while heirs := [it for it in known if it[0] == keys[-1] and it[1] not in keys]:
        if any(it[1] != heirs[0][1] for it in heirs):
            raise Wrong(f"two keys took over from one of {vkey[0]}")
        keys, until = keys + [heirs[0][1]], until[:-1] + [heirs[0][2], float("inf")]
    while before := [it for it in known if it[1] == keys[0] and it[0] not in keys]:
        keys, until = [before[0][0]] + keys, [before[0][2]] + until
    return list(zip(keys, until))


def checkpoint_of(name, note, keys):
    """Size and root of a note, if one of these keys stands for them."""
    text, signatures = note
    origin, size, root = text.decode().split("\n")[:3]
    # All of them, because none may have signed with what does not hold.
    if not any([signed_by(key, text, signatures) and int(size) <= until for key, until in keys]):
        raise Wrong(f"{name} is not signed by {keys[0][0][0]}")
    if origin != keys[0][0][0]:
        raise Wrong(f"{name} is of another log")
    return int(size), base64.b64decode(root, validate=True)


def read_checkpoint(file, keys, witnesses):
    """Size and root, if one of these keys stands for them, and whether a witness does."""
    text, signatures = read_note(file)
    size, root = checkpoint_of(file.name, (text, signatures), keys)
    return size, root, any([cosigned_by(it, text, signatures) for it in witnesses])


# --- entries ---------------------------------------------------------------------------------------------------------


def path_of(number):
    groups = re.findall("...", f"{number:0{3 * max(1, -(-len(str(number)) // 3))}d}")
    return "/".join(["x" + it for it in groups[:-1]] + groups[-1:])


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def there(path):
    """What is in a file; nothing where there is none, which a gateway that runs may have taken away."""
    try:
        return content(path)
    except FileNotFoundError:
        return b""


def content(path):
    """What is in a file, which is no pipe that nobody writes to."""
    if path.exists() and not path.is_file():
        raise Wrong(f"{path} is no file")
    return path.read_bytes()


def bundle(path, data, width=256):
    entries = []
    while data:
        (length,) = struct.unpack_from(">H", data)
        if len(data) < 2 + length:
            raise Wrong(f"{path} is cut off")
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]
    if len(entries) != width:
        raise Wrong(f"{path} does not hold {width} entries")
    return entries


def frame(data, at):
    """The entry in the whole frame that begins here, and where that ends; nothing where there is none."""
    if at + 28 >= len(data) or data[at + 28] >> 5 != 5:
        return None
    (length,) = struct.unpack_from("<I", data, at)
    entry = data[at + 28 : at + 28 + length] if length <= 60 * 1024 else b""
    check = hashlib.sha256(leaf(entry) + data[at + 12 : at + 28]).digest()[:8]
    whole = len(entry) == length and check == data[at + 4 : at + 12]
    return (entry, at + 28 + length) if whole else None


def place_in_run(found):
    """Which run an entry belongs to, and as which of it."""
    try:
        fields, _ = decode(found[0])
        return (fields["node"], fields["boot"]), fields["node_seq"]
    except (Wrong, KeyError, TypeError, ValueError, IndexError):
        return None


def passed_over(data, at, last):
    """Where the next whole frame begins, if its entry goes on with a run."""
    for place in range(at + 1, len(data)):
        if found := frame(data, place):
            return place if place_in_run(found) == (last[0], last[1] + 1) else None
    return None


def ahead(path):
    """The whole entries of a write-ahead file, up to its end or to one that was changed."""
    data, at, last = there(path), 0, None
    while at < len(data):
        found = frame(data, at)
        if not found and last and (end := passed_over(data, at, last)) is not None:
            raise Wrong(f"{end - at} bytes at {at} of {path} were put there by somebody")
        if not found:
            return
        yield found[0]
        at, last = found[1], place_in_run(found)


def minimum_of(log):
    """The first entry that was not pruned."""
    file = log / "minimum"
    if not file.exists():
        return 0
    text = file.read_text()
    number = int(text)
    if text != f"{number}\n" or number % 256:
        raise Wrong("`minimum` does not say where the log begins")
    return number


def leaves_before(log, minimum):
    """The leaf hashes of what was pruned."""
    for number in range(minimum // 256):
        hashes = (log / "tile/0" / path_of(number)).read_bytes()
        if len(hashes) != 256 * 32:
            raise Wrong(f"tile {number} is damaged")
        yield from (hashes[at : at + 32] for at in range(0, len(hashes), 32))


def entries_of(log, number):
    while (path := log / "tile/entries" / path_of(number // 256)).is_file():
        try:
            found = bundle(path, there(path))
        except (Wrong, struct.error):
            break  # after a power cut what it should hold is in the write-ahead files still
        yield from found
        number += 256
    files = [it for it in sorted((log / "wal").glob("*.wal"), reverse=True) if re.fullmatch("[0-9]{20}", it.stem)]
    rest = True
    while rest:
        having = (list(ahead(it))[number - int(it.stem) :] for it in files if int(it.stem) <= number)
        rest = next(filter(None, having), None)
        yield from rest or []
        number += len(rest or [])


def decode(data, at=0):
    """One value of deterministic CBOR, and where it ends."""
    major, short, at = data[at] >> 5, data[at] & 31, at + 1
    if short < 24:
        argument = short
    elif short < 28:
        width = 1 << (short - 24)
        argument, at = int.from_bytes(data[at : at + width], "big"), at + width
        if argument < (24 if width == 1 else 1 << 4 * width):
            raise Wrong("a number is longer than it needs to be")
    else:
        raise Wrong("no definite length")
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major == 3:
        if at + argument > len(data):
            raise Wrong("a text is cut off")
        return data[at : at + argument].decode(), at + argument
    if major == 4:
        items = []
        for _ in range(argument):
            item, at = decode(data, at)
            items.append(item)
        return items, at
    if major == 5:
        fields, last = {}, (-1, b"")
        for _ in range(argument):
            name, at = decode(data, at)
            order = (len(name.encode()), name.encode())
            if order <= last:
                raise Wrong("names are out of order")
            last = order
            fields[name], at = decode(data, at)
        return fields, at
    if (major, argument) in ((7, 20), (7, 21)):
        return argument == 21, at
    raise Wrong("a kind of value that no entry holds")


# --- the whole -------------------------------------------------------------------------------------------------------


class Tree:
    """Roots of whole subtrees, the largest first."""

    def __init__(self):
        self.size, self.roots = 0, []

    def push(self, hashed):
        self.roots.append(hashed)
        self.size += 1
        merged = self.size
        while merged % 2 == 0:
            right, left = self.roots.pop(), self.roots.pop()
            self.roots.append(hashlib.sha256(b"\1" + left + right).digest())
            merged //= 2

    def root(self):
        if not self.roots:
            return hashlib.sha256().digest()
        total = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            total = hashlib.sha256(b"\1" + left + total).digest()
        return total


class Tiles:
    """The hashes that tiles should have, held to those that they have."""

    def __init__(self, log):
        self.log, self.levels, self.size = log, [[]], 0

    def push(self, hashed):
        self.size, span = self.size + 1, 1
        for level in range(8):
            if level == len(self.levels):
                self.levels.append([])
            row, span = self.levels[level], span * 256
            row.append(hashed)
            if len(row) < 256:
                return
            path = self.log / "tile" / str(level) / path_of(self.size // span - 1)
            if path.is_file() and path.stat().st_size and path.read_bytes() != b"".join(row):
                raise Wrong(f"{path} does not hold the hashes of what is beneath it")
            while len(row) > 1:
                row = [hashlib.sha256(b"\1" + one + other).digest() for one, other in zip(row[::2], row[1::2])]
            hashed, self.levels[level] = row[0], []

    def hold_edge(self):
        """Holds the tiles that are not whole to what they should have, and the bundle beneath them."""
        for level, row in enumerate(self.levels):
            number = self.size // 256 ** (level + 1)
            path = self.log / "tile" / str(level) / f"{path_of(number)}.p" / str(len(row))
            if row and (found := there(path)) and found != b"".join(row):
                raise Wrong(f"{path} does not hold the hashes of what is beneath it")
        row, path = self.levels[0], self.log / "tile/entries" / f"{path_of(self.size // 256)}.p" / str(self.size % 256)
        if row and (found := there(path)) and [leaf(it) for it in bundle(path, found, len(row))] != row:
            raise Wrong(f"{path} does not hold the entries that were signed for")


class Runs:
    """What each run of a gateway has said so far."""

    def __init__(self, late):
        # Where the log begins late, nobody can tell what was to come, and whether the run before had ended.
        self.next, self.current, self.stopped, self.late = {}, None, late, late

    def take(self, number, fields):
        run = fields["node"], fields["boot"]
        action = fields.get("action") if fields["class"] == "audit.control" else None
        if run != self.current:
            if run not in self.next and not self.late:
                before = fields.get("before") if action == "start" else None
                if not {"nothing": number == 0, "stop": self.stopped, "crash": True}.get(before, False):
                    raise Wrong(f"entry {number} does not begin a run as it should")
            self.current, self.stopped = run, self.late
        if self.late:
            self.next[run], self.late = fields["node_seq"], False
        if fields["node_seq"] != self.next.get(run, 0):
            raise Wrong(f"entry {number} is number {fields['node_seq']} of its run, not {self.next.get(run, 0)}")
        self.next[run] = fields["node_seq"] + 1
        self.stopped = self.stopped or action == "stop"


class Prunings:
    """What entries say of what was pruned."""

    def __init__(self):
        self.said = []

    def take(self, number, fields):
        if fields["class"] == "retention.pruned" and fields["end"] <= number:
            kept = fields["kept"] if fields["what"] == "entries" else None
            self.said.append((number, fields["first"], fields["end"], kept))

    def judge(self, minimum, counts):
        self.said.sort()
        said = 0
        for _, first, end, _ in sorted(self.said, key=lambda it: it[1:3]):
            said = max(said, end) if first <= said else said
        if said < minimum:
            raise Wrong(f"entries {said} to {minimum - 1} are gone, and no entry says that they were pruned")
        past = max([end for _, _, end, kept in self.said if kept is None], default=0)
        last = {first: (end, kept) for _, first, end, kept in self.said if kept is not None}
        for first, (end, kept) in last.items():
            if past < end <= minimum and counts.get(first, 0) < kept:
                raise Wrong(f"{kept} of the entries {first} to {end - 1} were kept longer, and are not all there")


def root_from(leaf_hash, number, size, path):
    """The root that a proof leads to (RFC 9162 section 2.1.3.2)."""
    if size <= number:
        raise Wrong("a proof of what is not in the tree")
    at, last, total = number, size - 1, leaf_hash
    for step in path:
        if last == 0:
            raise Wrong("a proof is too long")
        if at & 1 or at == last:
            total = hashlib.sha256(b"\1" + step + total).digest()
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            total = hashlib.sha256(b"\1" + total + step).digest()
        at, last = at >> 1, last >> 1
    if last:
        raise Wrong("a proof is too short")
    return total


def kept_of(log, minimum, keys):
    """Of each range that was pruned its first entry, size and root of its checkpoint, and the entries that were kept."""
    for file in sorted((log / "kept").glob("*")):
        if int(file.name) >= minimum:
            continue
        held = json.loads(file.read_text())
        if held["form"] != 1:
            raise Wrong(f"{file.name} is of another form")
        size, root = checkpoint_of(file.name, split_note(held["checkpoint"].encode(), file.name), keys)
        entries = [(it["seq"], base64.b64decode(it["raw"], validate=True)) for it in held["entries"]]
        if [it for it, _ in entries] != sorted({it for it, _ in entries}):
            raise Wrong(f"{file.name} is out of order")
        for it, (number, entry) in zip(held["entries"], entries):
            path = [base64.b64decode(hashed, validate=True) for hashed in it["proof"]]
            if not held["first"] <= number < held["end"] or root_from(leaf(entry), number, size, path) != root:
                raise Wrong(f"{file.name} does not prove entry {number}")
        yield held["first"], size, root, entries


def verify(log, vkey, witnesses):
    kept = [it for it in (log / "checkpoints").glob("*") if it.suffix in (".note", ".cosigned")]
    cosigned = [it for it in [log / "checkpoint.cosigned"] if it.exists()]
    files, stated, witnessed = [log / "checkpoint", *cosigned, *sorted(kept)], {}, [0]
    keys = keys_known_by(vkey, files)
    for file in files:
        size, root, stood_for = read_checkpoint(file, keys, witnesses)
        if stated.setdefault(size, root) != root:
            raise Wrong(f"two checkpoints of {size} entries disagree")
        witnessed += [size] if stood_for else []
    minimum, counts, prunings = minimum_of(log), {}, Prunings()
    for first, size, root, entries in kept_of(log, minimum, keys):
        if stated.setdefault(size, root) != root:
            raise Wrong(f"two checkpoints of {size} entries disagree")
        counts[first] = len(entries)
        for number, entry in entries:
            prunings.take(number, decode(entry)[0])
    signed, tree, tiles, runs = max(stated), Tree(), Tiles(log), Runs(minimum > 0)

    def grow(hashed):
        tree.push(hashed)
        tiles.push(hashed)
        if tree.size in stated and stated[tree.size] != tree.root():
            raise Wrong(f"the entries up to {tree.size} are not those that were signed for")
        if tree.size == signed:
            tiles.hold_edge()

    for hashed in leaves_before(log, minimum):
        grow(hashed)
    for number, entry in enumerate(entries_of(log, minimum), minimum):
        fields, end = decode(entry)
        if end != len(entry):
            raise Wrong(f"entry {number} goes on after its end")
        runs.take(number, fields)
        prunings.take(number, fields)
        grow(leaf(entry))
    if tree.size < signed:
        raise Wrong(f"{signed} entries are signed for, and entry {tree.size} is missing or was changed")
    prunings.judge(minimum, counts)
    last = max(witnessed) if witnesses else None
    return {"entries": tree.size, "minimum": minimum, "signed": signed, "witnessed": last, "root": stated[signed].hex()}


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: verify_log.py FOLDER VKEY [WITNESS-VKEY ...]")
    try:
        named = [read_vkey(it, 4) for it in sys.argv[3:]]
        print(json.dumps(verify(Path(sys.argv[1]), read_vkey(sys.argv[2]), named)))
    except (Wrong, KeyError, TypeError, ValueError, IndexError, OSError, struct.error) as wrong:
        sys.exit(f"wrong: {wrong}")
