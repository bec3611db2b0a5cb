"""Every documented operation of one API, asked through the gateway: what must work, and each refusal it documents.

Environment: API; TENANT; KEY and BARE, each `{"text": ..., "secret": ...}`: a key with every scope, and one with none;
where the API has users, OWNER, `{"email": ..., "password": ...}`, an owner of the tenant; CONTROL, the address of the clouds' control port. Each answer is held to the document; each is told on a line of its
own with the step that must have decided it, for the entries to be compared with.
"""

import itertools
import json
import os
import re
from urllib.parse import quote, urlencode

from asking import ask
from control import control
from door import tell

from documented import documents

API, TENANT = os.environ["API"], os.environ["TENANT"]
KEY, BARE = json.loads(os.environ["KEY"]), json.loads(os.environ["BARE"])
ABSENT = "absent-0000"
# They judge themselves what they are shown; what comes of it is for tests of their own.
JUDGING = ("account.", "consents.", "invites.accept", "login.", "logout.", "oauth.", "passkeys.", "sessions.end", "sessions.renew", "sessions.sign_")
# What gives roles, which open every API: a user does it, in a session of their own, and no key of one API.
PERSONAL = ("people.", "teams.", "team_members.", "invites.")
# What must have happened to a resource before an operation makes sense.
BEFORE = {"startInstance": "stopInstance"}
NUMBERS = itertools.count(1)
# Where no other credential is named, the one that `usual` gives; and the sessions that were begun for it.
USUAL, SESSIONS = object(), {}
# What refusals of the gateway's own really said: by document, status and code.
SAID = {}


def session(operation):
    """The session of an owner, who signs in where the API of the operation has users."""
    body = os.environ["OWNER"].encode()
    shown = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    answer = ask("POST", operation.document.host, "/auth/login", shown, body)
    assert answer.status == 200, answer.body
    return {"cookie": next(it.partition(";")[0] for it in answer.headers.get_all("Set-Cookie") if it.startswith("cnx_access="))}


def usual(operation):
    """The credential of whoever may ask this."""
    if not str(operation.native).startswith(PERSONAL):
        return KEY
    if "owner" not in SESSIONS:
        SESSIONS["owner"] = session(operation)
    return SESSIONS["owner"]


def request(operation, path=None, query=None, body=None, key=USUAL, method=None, headers=None):
    """Asks an operation; what is not given is as documented."""
    document = operation.document
    key = usual(operation) if key is USUAL else key
    shown = {it["name"]: TENANT for it in operation.where("header") if it["name"] == "X-CloudNexus-Id"}
    media, data = encoded(operation, body)
    if media:
        shown["Content-Type"] = media
    shown.update(headers or {})
    target = document.base + (path or located(operation)) + (f"?{urlencode(query)}" if query else "")
    return ask(method or operation.method, document.host, target, shown, data, key, document.service)


def encoded(operation, body):
    """The media type and the bytes of a body: the one given, or the documented one."""
    if operation.media is None:
        return None, b""
    if isinstance(body, bytes):
        return operation.media, body
    if operation.media == "application/json":
        return operation.media, json.dumps(wanted(operation) if body is None else body).encode()
    if operation.media == "multipart/form-data":
        lines = ["--edge", 'Content-Disposition: form-data; name="purpose"', "", "assistants", "--edge",
                 'Content-Disposition: form-data; name="file"; filename="notes.txt"', "", "notes", "--edge--", ""]
        return "multipart/form-data; boundary=edge", "\r\n".join(lines).encode()
    return operation.media, b"some bytes"


def wanted(operation):
    """The documented body, under a name nobody has taken, naming resources that are there."""
    body = operation.example()
    for field, value in list(body.items()):
        if field in ("name", "bucket", "hostname"):
            body[field] = f"{value}-w{next(NUMBERS)}"
        elif field == "email":
            body[field] = f"w{next(NUMBERS)}.{value}"
        elif field.endswith("_id") and isinstance(value, str):
            body[field] = neighbour(operation.document, field) or value
    return body


def neighbour(document, field):
    """A resource of the kind that a field such as `vpc_id` names, made or found for it."""
    kind = field.removesuffix("_id").replace("_", "-") + "s"
    found = next((it for it in document.operations
                  if it.template.endswith("/" + kind) and "{" not in it.template and not it.native), None)
    return member(document, found.template, "id") if found else None


def located(operation):
    """The path of an operation, its parameters filled with resources that are there."""
    path = ""
    for part in operation.template.split("/")[1:]:
        if part.startswith("{"):
            name = part.strip("{}")
            shown = next(it for it in operation.where("path") if it["name"] == name)
            rest = shown.get("x-portcullis-rest")
            value = shown["example"] if rest and name == "key" else member(operation.document, path, name, shown["schema"])
            path += "/" + quote(value or shown["example"], safe="/" if rest else "")
        else:
            path += "/" + part
    return path


def member(document, collection, name, schema=None):
    """The id of a resource of a collection: a new one where one can be made, else one that is listed."""
    if collection.endswith("/members"):
        join(document, collection.removesuffix("/members"))
    made, listed = (template_of(document, collection, method) for method in ("POST", "GET"))
    if made and made.native is not True:
        answer = request(made, path=collection)
        assert answer.status in (200, 201), f"{made}: {answer.status} {answer.body[:500]!r}"
        # What is being provisioned is ready a minute later.
        if not made.native:
            control("/control/clock", {"advance_ms": 60_000})
        return identified(json.loads(answer.body), name, document.deref(schema or {}))
    if listed and listed.native is not True:
        answer = json.loads(request(listed, path=collection).body)
        items = next(it for it in answer.values() if isinstance(it, list))
        return identified(items[0], name, document.deref(schema or {})) if items else None
    return None


def join(document, team):
    """Has somebody new join a team, which nobody can be put into."""
    invited = json.loads(request(template_of(document, f"{team}/invites", "POST"), path=f"{team}/invites").body)
    accepting = next(it for it in document.operations if it.native == "invites.accept")
    joined = request(accepting, body={**accepting.example(), "token": invited["token"]}, key=None)
    assert joined.status == 200, joined.body


def template_of(document, path, method):
    """The operation of a path whose parameters are filled already."""
    parts = path.split("/")
    for it in document.operations:
        own = it.template.split("/")
        if it.method == method and len(own) == len(parts) and all(a == b or a.startswith("{") for a, b in zip(own, parts)):
            return it
    return None


def identified(item, name, schema):
    """What names an item, in the form that its parameter has."""
    for field in (name, "id", "name", "access_key_id", "key_id"):
        value = item.get(field)
        value = str(value) if isinstance(value, int) else value
        if isinstance(value, str) and re.search(schema.get("pattern", ""), value):
            return value
    inner = next((it for it in item.values() if isinstance(it, dict)), None)
    assert inner is not None, f"nothing names {item}"
    return identified(inner, name, schema)


def check(operation, case, answer, statuses, step=None):
    """Holds an answer to the document, and tells what its entry must say."""
    assert answer.status in statuses, f"{operation}, {case}: {answer.status} {answer.body[:500]!r}"
    operation.check(answer.status, answer.headers, answer.body)
    if "Refusal-Reason" in answer.headers and answer.body:
        code, message = operation.document.told(json.loads(answer.body))
        SAID.setdefault((operation.document.base, answer.status, code), set()).add(message)
    tell(operation=operation.id, case=case, id=answer.id, status=answer.status, step=step)


def arm(operation, **fault):
    """Makes the next answer of this operation's cloud go wrong."""
    control("/control/faults", {"api": API, "operation": operation.id, "times": 1, **fault})


def walk(operation):
    successes = [int(it) for it in operation.content["responses"] if it.startswith("2")]
    path = located(operation)
    if operation.id in BEFORE:
        before = next(it for it in operation.document.operations if it.id == BEFORE[operation.id])
        check(before, "before another", request(before, fill(path, before.template)), [200])
        control("/control/clock", {"advance_ms": 60_000})
    check(operation, "success", request(operation, path), successes)
    if not operation.open:
        check(operation, "no credential", request(operation, path, key=None), [401], "authenticate")
        check(operation, "no scope", request(operation, path, key=BARE), [403], "authorize")
    if any(it["name"] == "X-CloudNexus-Id" for it in operation.parameters):
        no_account = request(operation, path, headers={"X-CloudNexus-Id": "acct_other"})
        check(operation, "other account", no_account, [403], "authenticate")
    for it in operation.where("query"):
        kind = operation.document.deref(it["schema"])
        if kind.get("type") in ("integer", "boolean") or "enum" in kind:
            bad = request(operation, path, query={it["name"]: "no-such-value"})
            check(operation, f"bad {it['name']}", bad, [400], "validate")
        if "maximum" in kind:
            bad = request(operation, path, query={it["name"]: kind["maximum"] + 1})
            check(operation, f"too much {it['name']}", bad, [400], "validate")
    if operation.media == "application/json":
        if operation.document.deref(operation.body["schema"]).get("required"):
            check(operation, "nothing in it", request(operation, path, body={}), [400], "validate")
        check(operation, "broken JSON", request(operation, path, body=b'{"name": '), [400], "validate")
        check(operation, "no object", request(operation, path, body=[1]), [400], "validate")
        bulk = b'{"name": "' + b"a" * (int(operation.content.get("x-portcullis-max-bytes", 65536)) + 1) + b'"}'
        check(operation, "too large", request(operation, path, body=bulk), [413], "validate")
    last = operation.template.rsplit("{", 1)[-1]
    if "{" in operation.template and "key}" not in last:
        head, _, tail = operation.template.rpartition("{")
        gone = fill(path, head) + ABSENT + tail.partition("}")[2]
        check(operation, "absent", request(operation, gone), [404])
    arm(operation, kind="fail", status=500)
    check(operation, "upstream fails", request(operation, path), [500])
    # More than once: where nothing can have been done yet, the gateway tries again.
    arm(operation, kind="reset", times=5)
    check(operation, "upstream breaks", request(operation, path), [502], "forward")
    control("/control/faults", method="DELETE")


def fill(path, template):
    """A template, its parameters taken from a path that begins alike."""
    return "/".join(own if it.startswith("{") else it for it, own in zip(template.split("/"), path.split("/")))


def walk_native(operation):
    """The gateway answers it: no cloud is behind that could fail."""
    if operation.native.startswith(JUDGING):
        # Shown nothing, it says what is wrong as its document has it.
        documented = [int(it) for it in operation.content["responses"]]
        answer = request(operation, operation.template, body=b"" if operation.media else None, key=None)
        check(operation, "nothing shown", answer, documented, "itself")
        return
    if operation.open:
        walk_open(operation)
        return
    path = located(operation)
    check(operation, "success", request(operation, path), [200, 201])
    check(operation, "no credential", request(operation, path, key=None), [401], "authenticate")
    check(operation, "no scope", request(operation, path, key=BARE), [403], "authorize")
    if operation.media == "application/json":
        check(operation, "broken JSON", request(operation, path, body=b'{"name": '), [400], "validate")
        check(operation, "no object", request(operation, path, body=[1]), [400], "validate")
        bulk = b'{"name": "' + b"a" * (int(operation.content.get("x-portcullis-max-bytes", 65536)) + 1) + b'"}'
        check(operation, "too large", request(operation, path, body=bulk), [413], "validate")
    for it in operation.where("query"):
        kind = operation.document.deref(it["schema"])
        if kind.get("type") == "integer" or kind.get("format") == "date-time" or it["name"] == "cursor":
            bad = request(operation, path, query={it["name"]: "no-such-value"})
            check(operation, f"bad {it['name']}", bad, [400], "validate")


def walk_open(operation):
    """The gateway answers it to everybody, or judges what the body shows."""
    if operation.media is None:
        check(operation, "success", request(operation, key=None), [200])
        return
    own = {"access_key_id": KEY["text"], "secret_access_key": KEY["secret"]}
    check(operation, "success", request(operation, body=own, key=None), [200])
    wrong = request(operation, body={**own, "secret_access_key": "another"}, key=None)
    check(operation, "wrong secret", wrong, [401], "authenticate")
    check(operation, "broken JSON", request(operation, body=b'{"name": ', key=None), [400], "validate")
    bulk = b'{"name": "' + b"a" * (int(operation.content.get("x-portcullis-max-bytes", 65536)) + 1) + b'"}'
    check(operation, "too large", request(operation, body=bulk, key=None), [413], "validate")


def walk_unserved(operation):
    """Its room is not built yet: the gateway must say so in the API's words, after everything else was decided."""
    path = operation.template
    for it in operation.where("path"):
        path = path.replace("{%s}" % it["name"], str(it["example"]))
    body = operation.example() if operation.media == "application/json" else None
    check(operation, "not served", request(operation, path, body=body), [503], "forward")


for document in documents(API):
    if document.host == "s3.cloudnx.in":
        continue  # boto3 asks there, in s3_client.py
    for operation in document.operations:
        if operation.native is True:
            walk_unserved(operation)
        elif operation.native:
            walk_native(operation)
        else:
            walk(operation)
    for template in sorted({it.template for it in document.operations}):
        here = [it for it in document.operations if it.template == template]
        method = next(it for it in ("PATCH", "PUT", "POST", "DELETE") if it not in [known.method for known in here])
        path = template.replace("{", "").replace("}", "")
        check(here[0], "no such method", request(here[0], path, method=method), [405], "identify")
    long = request(here[0], path, headers={"X-Long": "a" * 70_000})
    check(here[0], "too large a head", long, [431], "accept")
    for status, code, message in document.shown():
        said = SAID.get((document.base, status, code), {message})
        assert message in said, f"{API}: {status} shows `{message}`, and what is said is {sorted(said)}"
