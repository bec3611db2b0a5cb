"""Checks OpenAPI documents without the gateway's own code: `validate.py DOCUMENT...`.

Prints every fault and exits with 1 when there is one. Checked are: the document against OpenAPI 3.1; every example
against its schema; that operation ids are unique over an API; that each operation says who may ask and how it can be
refused; that nothing of the published reference is missing (reference.py); and that document, profile and grants of one
folder agree with each other.
"""

import pathlib
import sys

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from agreement import profile_faults
from examples import example_faults
from reference import REFERENCES

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


class Loader(yaml.SafeLoader):
    """YAML as JSON sees it: dates stay text, and a key that is written twice is an error."""


def read_map(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: written twice: {', '.join(map(str, twice))}")
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value)))


Loader.add_constructor("tag:yaml.org,2002:map", read_map)
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(file):
    return yaml.load(pathlib.Path(file).read_text(), Loader)


def deref(document, node):
    """The node itself, or what its local `$ref` names."""
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operations(document):
    """Method, path, operation and all of its parameters."""
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                shown = [*item.get("parameters", []), *operation.get("parameters", [])]
                yield method, path, operation, [deref(document, it) for it in shown]


def body_schema(document, operation):
    content = deref(document, operation.get("requestBody", {})).get("content", {})
    return next((deref(document, it.get("schema", {})) for it in content.values()), {})


def operation_faults(document):
    """Who may ask, with scopes that the document explains; and how it can be refused."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    always = {"403", "404", "405", "410", "500", "502", "503", "504"}
    for method, path, operation, _ in operations(document):
        name = f"{method.upper()} {path}"
        if "operationId" not in operation:
            yield f"{name}: no operationId"
        if "security" not in operation:
            yield f"{name}: does not say who may ask; `security: []` is for everybody"
        for alternative in operation.get("security", []):
            for scheme, scopes in alternative.items():
                known = schemes.get(scheme, {})
                # What is somebody's own takes no more than being signed in.
                if not scopes and scheme != "session":
                    yield f"{name}: asks for no scope of {scheme}"
                flows = known.get("flows", {}).values()
                explained = [it for flow in flows for it in flow["scopes"]]
                if flows and not set(scopes) <= set(explained):
                    yield f"{name}: {scheme} does not explain {', '.join(scopes)}"
        missing = always - set(operation.get("responses", {}))
        if missing:
            yield f"{name}: does not declare {', '.join(sorted(missing))}"
        # A form that was taken leads on, and so does a page that does nothing else.
        if not any(status.startswith("2") or status == "303" for status in operation.get("responses", {})):
            yield f"{name}: declares no success"
        for status, response in operation.get("responses", {}).items():
            headers = deref(document, response).get("headers", {})
            # Nobody is known, and so nobody is counted, where everybody is admitted.
            if status.startswith("2") and operation.get("security") and "X-RateLimit-Remaining" not in headers:
                yield f"{name}: {status} does not show the rate limit"


def id_faults(documents):
    seen = {}
    for file, document in documents.items():
        for method, path, operation, _ in operations(document):
            name = operation.get("operationId")
            place = f"{pathlib.Path(file).name} {method.upper()} {path}"
            if name in seen:
                yield f"{name}: is both {seen[name]} and {place}"
            seen[name] = place


def reference_faults(document):
    """What the published reference has and the document has not."""
    url = document.get("servers", [{}])[0].get("url")
    if url not in REFERENCES:
        yield f"servers: no reference is published for {url}"
        return
    found = {(method, path): (operation, parameters) for method, path, operation, parameters in operations(document)}

    def matches(reference):
        return sum((it["method"], it["path"]) in found for it in reference["operations"])

    reference = max(REFERENCES[url], key=matches)
    for row in reference["operations"]:
        name = f"{row['method'].upper()} {row['path']}"
        if (row["method"], row["path"]) not in found:
            yield f"{name}: is in the reference, not in the document"
            continue
        yield from row_faults(document, name, row, *found[row["method"], row["path"]])
        for status in reference["errors"] + (reference.get("errors_of_changes", []) if row["method"] != "get" else []):
            if str(status) not in found[row["method"], row["path"]][0]["responses"]:
                yield f"{name}: {status} is in the reference, not in the document"
    for method, path, parameter, bounds in reference.get("bounds", []):
        _, parameters = found.get((method, path), ({}, []))
        schema = next((deref(document, it["schema"]) for it in parameters if it["name"] == parameter), {})
        if not bounds.items() <= schema.items():
            yield f"{method.upper()} {path}: {parameter} is not bounded by {bounds}"
    for event in reference.get("webhooks", []):
        if event not in document.get("webhooks", {}):
            yield f"webhooks: {event} is in the reference, not in the document"
    for scope, uses in reference.get("scopes", {}).items():
        for use in uses:
            needed = [scopes for it in found.get(use, ({}, []))[0].get("security", []) for scopes in it.values()]
            if needed != [[scope]]:
                yield f"{use[0].upper()} {use[1]}: needs {needed}, the reference says {scope}"
    header = reference.get("mutating_take")
    for (method, path), (_, parameters) in found.items():
        if header and method != "get" and header not in [it["name"] for it in parameters]:
            yield f"{method.upper()} {path}: does not take {header}"


def row_faults(document, name, row, operation, parameters):
    body = body_schema(document, operation)
    known = {it["name"]: it.get("schema", {}) for it in parameters} | body.get("properties", {})
    required = [it["name"] for it in parameters if it.get("required")] + body.get("required", [])
    for it in row["takes"]:
        if it not in known:
            yield f"{name}: parameter {it} is in the reference, not in the document"
    for it in row["requires"]:
        if it not in required:
            yield f"{name}: parameter {it} is not required"
    for it, words in row["enums"].items():
        if deref(document, known.get(it, {})).get("enum") != words:
            yield f"{name}: {it} is not one of {', '.join(words)}"
    success = next((deref(document, it) for status, it in operation["responses"].items() if status.startswith("2")), {})
    answer = deref(document, success.get("content", {}).get("application/json", {}).get("schema", {}))
    for it in row["answers"]:
        if it not in answer.get("properties", {}):
            yield f"{name}: the answer's {it} is in the reference, not in the document"


def document_faults(document):
    if not str(document.get("openapi", "")).startswith("3.1."):
        return [f"openapi: {document.get('openapi')} is not 3.1"]
    invalid = [f"{'/'.join(map(str, it.absolute_path))}: {it.message}" for it in OpenAPIV31SpecValidator(document).iter_errors()]
    # What is no OpenAPI document cannot be walked as one.
    if invalid:
        return invalid
    return [*operation_faults(document), *reference_faults(document), *example_faults(document)]


def main(files):
    faults, folders = [], {}
    for file in files:
        try:
            document = load(file)
            faults += [f"{file}: {it}" for it in document_faults(document)]
        except (OSError, yaml.YAMLError) as why:
            faults.append(f"{file}: {why}")
            continue
        folders.setdefault(pathlib.Path(file).parent, {})[file] = document
    for folder, documents in folders.items():
        faults += [f"{folder}: {it}" for it in id_faults(documents)]
        faults += [f"{folder}: {it}" for it in profile_faults(folder, documents, operations)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(files)} documents, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
