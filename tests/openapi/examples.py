"""Every example of a document against the schema beside it."""

import xml.etree.ElementTree as ElementTree
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

BASE = "urn:document"


def example_faults(document):
    registry = Registry().with_resource(BASE, Resource(document, DRAFT202012))

    def check(place, value):
        pointer = "".join("/" + quote(str(it).replace("~", "~0").replace("/", "~1"), safe="~") for it in place)
        schema = {"$ref": f"{BASE}#{pointer}"}
        for error in Draft202012Validator(schema, registry=registry, format_checker=FormatChecker()).iter_errors(value):
            yield f"{'/'.join(map(str, place))}: example{''.join(f'/{it}' for it in error.path)}: {error.message}"

    yield from walk(document, (), check, document)


def walk(node, place, check, document):
    """Finds whatever carries both a schema and an example, and schemas with examples of their own."""
    if isinstance(node, list):
        for at, it in enumerate(node):
            yield from walk(it, (*place, at), check, document)
    if not isinstance(node, dict):
        return
    if "schema" in node:
        shown = [node["example"]] if "example" in node else []
        shown += [it["value"] for it in node.get("examples", {}).values()] if isinstance(node.get("examples"), dict) else []
        for value in shown:
            if "xml" in str(place[-1]):
                yield from xml_faults(place, value, node["schema"], document)
            else:
                yield from check((*place, "schema"), value)
    elif isinstance(node.get("examples"), list):
        for value in node["examples"]:
            yield from check(place, value)
    for key, it in node.items():
        # Examples are data: nothing in them is a schema.
        if key not in ("example", "examples", "default", "enum"):
            yield from walk(it, (*place, key), check, document)


def xml_faults(place, text, schema, document):
    """Well formed, under the schema's name, and with every member that the schema requires."""
    where = "/".join(map(str, place))
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as why:
        yield f"{where}: example: {why}"
        return
    name = schema["$ref"].rsplit("/", 1)[-1]
    if local(root) != name:
        yield f"{where}: example is a {local(root)}, not a {name}"
    yield from member_faults(where, root, schema, document)


def member_faults(where, element, schema, document):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    known, members = schema.get("properties", {}), {local(it) for it in element}
    for it in schema.get("required", []):
        if it not in members:
            yield f"{where}: example: {local(element)} has no {it}"
    for it in element:
        if local(it) not in known:
            yield f"{where}: example: {local(element)} knows no {local(it)}"
        else:
            inner = known[local(it)]
            yield from member_faults(where, it, inner.get("items", inner), document)


def local(element):
    return element.tag.rsplit("}", 1)[-1]
