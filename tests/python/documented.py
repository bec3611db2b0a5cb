"""What the OpenAPI documents say, read with somebody else's libraries: how to ask, and what may be answered."""

import json
import pathlib
import sys
import tomllib
from urllib.parse import quote

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests/openapi"))

import agreement  # noqa: E402
import validate  # noqa: E402

BASE = "urn:document"


class Document:
    """One OpenAPI document, and the surface of its API that it describes."""

    def __init__(self, api, folder, surface, dialect):
        self.api, self.host, self.base = api, surface["hosts"][0], surface["base_path"]
        self.service, self.dialect = surface.get("sigv4_service"), dialect
        self.content = validate.load(folder / surface["document"])
        self.registry = Registry().with_resource(BASE, Resource(self.content, DRAFT202012))
        self.operations = [Operation(self, *it) for it in validate.operations(self.content)]

    def deref(self, node):
        return validate.deref(self.content, node)

    def told(self, refusal):
        """Code and message of a refusal, as the dialect words it."""
        found = {}
        agreement.fits(json.loads(self.dialect["body"]), refusal, found, self.dialect.get("request_id_prefix", ""))
        return found.get("{code}"), found.get("{message}")

    def shown(self):
        """The refusals that the document shows: status, code and message. Those that the dialect words are held to it."""
        for name, response in self.content["components"]["responses"].items():
            used = {int(status) for it in self.operations for status, own in it.content["responses"].items()
                    if own.get("$ref", "").endswith(f"/{name}")}
            content = next(iter(response["content"].values()))
            examples = [content["example"]] if "example" in content else [it["value"] for it in content["examples"].values()]
            for status in used:
                worded = self.dialect["status"].get(str(status), {}).get("message")
                yield from ((status, *told) for told in map(self.told, examples) if told[1] != worded)

    def named(self, template, method):
        """The operation with this template and method, if there is one."""
        return next((it for it in self.operations if (it.template, it.method) == (template, method)), None)


class Operation:
    """One operation: what it takes and what it may answer."""

    def __init__(self, document, method, template, content, parameters):
        self.document, self.method, self.template, self.content = document, method.upper(), template, content
        self.api, self.id, self.parameters = document.api, content["operationId"], parameters
        self.native = content.get("x-portcullis-native", False)
        self.open = not content["security"] or {} in content["security"]
        body = document.deref(content.get("requestBody", {}))
        self.media, self.body = next(iter(body.get("content", {}).items()), (None, {}))

    def __str__(self):
        return f"{self.api} {self.id}"

    def where(self, kind):
        """The parameters of one kind: path, query, header, cookie."""
        return [it for it in self.parameters if it["in"] == kind]

    def example(self):
        """The documented example of the body."""
        return json.loads(json.dumps(self.body.get("example")))

    def check(self, status, headers, body):
        """Holds an answer to what is documented for its status."""
        documented = self.content["responses"]
        assert str(status) in documented, f"{self}: {status} is not documented: {body[:500]!r}"
        response = self.document.deref(documented[str(status)])
        for name, header in response.get("headers", {}).items():
            required = self.document.deref(header).get("required", False)
            assert name in headers or not required, f"{self}: {status} without {name}"
        kind = (headers.get("Content-Type") or "").split(";")[0].strip()
        if not response.get("content") or "*/*" in response["content"] or self.method == "HEAD":
            return
        assert kind in response["content"], f"{self}: {status} as `{kind}`: {body[:500]!r}"
        if kind in ("application/json", "application/problem+json"):
            place = self._place(documented[str(status)], str(status))
            schema = {"$ref": f"{BASE}#{place}/content/{kind.replace('/', '~1')}/schema"}
            faults = list(Draft202012Validator(schema, registry=self.document.registry).iter_errors(json.loads(body)))
            assert not faults, f"{self}: {status} {body[:500]!r}: " + "; ".join(
                f"{'/'.join(map(str, it.path))}: {it.message}" for it in faults)

    def _place(self, response, status):
        if "$ref" in response:
            return response["$ref"].removeprefix("#")
        names = ("paths", self.template, self.method.lower(), "responses", status)
        return "".join("/" + quote(it.replace("~", "~0").replace("/", "~1"), safe="~") for it in names)


def documents(api):
    """Every document of one API, as its profile lists them."""
    folder = PROJECT / "policies/apis" / api
    profile = tomllib.loads((folder / "api.toml").read_text())
    return [Document(api, folder, it, profile["dialect"][it["dialect"]]) for it in profile["surface"]]
