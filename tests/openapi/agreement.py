"""Whether document, profile and grants of one folder agree."""

import json
import pathlib
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlsplit

# Every status that the gateway itself gives.
STATUSES = (400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 431, 500, 502, 503, 504)


def profile_faults(folder, documents, operations):
    file = pathlib.Path(folder) / "api.toml"
    if not file.exists():
        yield "no api.toml beside the document"
        return
    profile = tomllib.loads(file.read_text())
    if profile["name"] != pathlib.Path(folder).resolve().name:
        yield f"api.toml: is named {profile['name']}"
    surfaces = {it["document"]: it for it in profile["surface"]}
    for path, document in documents.items():
        name = pathlib.Path(path).name
        if name not in surfaces:
            yield f"api.toml: no surface has {name}"
            continue
        surface = surfaces[name]
        yield from server_faults(name, document, surface)
        yield from dialect_faults(name, document, profile["dialect"][surface["dialect"]])
        yield from limit_faults(name, document, profile["limits"])
    yield from grant_faults(pathlib.Path(folder), profile, documents, operations)


def server_faults(name, document, surface):
    written = {it["url"] for it in document["servers"]}
    # A label that stands for a bucket makes no server of its own.
    hosts = [it for it in surface["hosts"] if not it.startswith("*.")]
    served = {f"https://{host}{surface['base_path']}" for host in hosts}
    if written != served:
        yield f"{name}: servers are {sorted(written)}, the profile serves {sorted(served)}"


def limit_faults(name, document, limits):
    """The documented limit is the first rule of the tier that a key has by default."""
    tier = next(it for it in limits["tier"] if it["name"] == limits["default_tier"])
    shown = document["components"]["headers"]["XRateLimitLimit"]["example"]
    if shown != tier["rules"][0]["limit"]:
        yield f"{name}: X-RateLimit-Limit shows {shown}, the default tier has {tier['rules'][0]['limit']}"


def dialect_faults(name, document, dialect):
    """Each shared refusal of the document is what the dialect makes of that status."""
    rows = {int(status): row for status, row in dialect["status"].items()}
    if set(rows) != set(STATUSES):
        yield f"api.toml: rows for {sorted(rows)}, not for {list(STATUSES)}"
    shared = document["components"]["responses"]
    used = {}
    for item in document["paths"].values():
        for operation in item.values():
            for status, response in operation.get("responses", {}).items() if isinstance(operation, dict) else []:
                if "$ref" in response:
                    used.setdefault(response["$ref"].rsplit("/", 1)[-1], set()).add(int(status))
                elif operation.get("security") == [] and "X-RateLimit-Limit" in response.get("headers", {}):
                    yield f"{name}: {operation['operationId']} shows the limits of nobody in {status}"
    for unused in set(shared) - set(used):
        yield f"{name}: response {unused} is not used"
    for it, statuses in used.items():
        if len(statuses) > 1:
            yield f"{name}: response {it} stands for {sorted(statuses)}"
        (status,) = list(statuses)[:1]
        if status in STATUSES and "Refusal-Reason" not in shared[it].get("headers", {}):
            yield f"{name}: {it} does not show Refusal-Reason"
        content = next(iter(shared[it]["content"].values()))
        shown = [content["example"]] if "example" in content else [e["value"] for e in content["examples"].values()]
        allowed = [(rows[r].get("code"), rows[r].get("type")) for r in rows if rows[r].get("status", r) == status]
        allowed += [(row["code"], row.get("type")) for row in dialect.get("reason", {}).values() if "code" in row]
        # What only the API behind the gateway gives, such as S3's 412, has no row.
        if status not in STATUSES:
            continue
        for example in shown:
            yield from (f"{name}: {it}: {fault}" for fault in shape_faults(dialect, example, allowed))
        row = rows[status]
        if "message" in row and dialect["format"] == "json" and row["message"] not in json.dumps(shown):
            yield f"{name}: {it} does not show the message of status {status}"


def shape_faults(dialect, example, allowed):
    if dialect["format"] == "xml":
        template, shown = ElementTree.fromstring(dialect["body"].encode()), ElementTree.fromstring(example.encode())
        if [it.tag for it in template] != [it.tag for it in shown]:
            yield "is not in the shape of the dialect"
        if shown.findtext("Code") not in [code for code, _ in allowed]:
            yield f"shows {shown.findtext('Code')}, the dialect has {allowed}"
        return
    found = {}
    if not fits(json.loads(dialect["body"]), example, found, dialect.get("request_id_prefix", "")):
        yield "is not in the shape of the dialect"
    for hole, at in (("{code}", 0), ("{type}", 1)):
        if hole in found and found[hole] not in [it[at] for it in allowed]:
            yield f"shows {found[hole]}, the dialect has {[it[at] for it in allowed]}"


def fits(template, example, found, prefix):
    if isinstance(template, dict):
        if not isinstance(example, dict) or list(template) != list(example):
            return False
        return all(fits(template[key], example[key], found, prefix) for key in template)
    if template == "{request_id}":
        return re.fullmatch(f"{prefix}[0-9a-f]{{32}}", example) is not None
    if re.fullmatch(r"\{[a-z_]+\}", template):
        found[template] = example
        return isinstance(example, str) or template == "{param}" and example is None
    return template == example


def grant_faults(folder, profile, documents, operations):
    """Each operation is granted to the holders of the scopes that it needs, and nothing else is granted."""
    granted = {}
    text = re.sub(r"//.*", "", (folder / "access.cedar").read_text())
    for permit in re.findall(r"permit\s*\((.*?);", text, re.S):
        scopes = set(re.findall(r'principal in Gw::Scope::"([^"]+)"', permit)) or {None}
        for action in re.findall(rf'\b{profile["namespace"]}::Action::"([^"]+)"', permit):
            granted.setdefault(action, set()).update(scopes)
    known = {}
    for document in documents.values():
        for _, _, operation, _ in operations(document):
            security = operation.get("security", [])
            needed = {scope for it in security for scopes in it.values() for scope in scopes}
            # Where anybody may ask too, or whoever is signed in, there is a permit that needs none.
            needed |= {None} if not needed or {} in security or {"session": []} in security else set()
            known[operation["operationId"]] = needed
    for it, needed in known.items():
        if granted.get(it) != needed:
            yield f"access.cedar: {it} is granted to {granted.get(it)}, the document asks for {needed}"
    if len(documents) == len(profile["surface"]):
        for it in set(granted) - set(known):
            yield f"access.cedar: {it} is no operation"
