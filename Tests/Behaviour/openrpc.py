# SPDX-License-Identifier: Apache-2.0
"""The OpenRPC document of the repository: loaded, taken apart, and what the specification (1.3) says one must look like."""

import copy
import json
import pathlib

import jsonschema

PATH = pathlib.Path(__file__).resolve().parent.parent.parent / "schema" / "openrpc.json"


def unique(pairs):
    members = dict(pairs)
    assert len(members) == len(pairs), "a member twice: %r" % [name for name, _ in pairs]
    return members


TEXT = PATH.read_text(encoding="utf-8")
DOCUMENT = json.loads(TEXT, object_pairs_hook=unique)
METHODS = {method["name"]: method for method in DOCUMENT["methods"]}
COMPONENTS = DOCUMENT["components"]


def _closed(required, /, **properties):
    """An object of exactly these members, of which the first `required` names must be there."""
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": properties}


_WORDS = {"type": "string", "minLength": 1}
_EXAMPLE = _closed("name value", name=_WORDS, value={}, summary=_WORDS, description=_WORDS)
_CONTENT = _closed(
    "name description schema", name=_WORDS, description=_WORDS, summary=_WORDS, required={"type": "boolean"},
    schema={"type": "object"})
_ERROR = _closed(
    "code message data", code={"type": "integer"}, message=_WORDS, data={"type": "object", "required": ["kind"]})
_METHOD = _closed(
    "name summary description paramStructure params result errors",
    name=_WORDS, summary=_WORDS, description=_WORDS, paramStructure={"const": "either"},
    params={"type": "array", "items": _CONTENT}, result=_CONTENT,
    errors={"type": "array", "items": _closed("$ref", **{"$ref": {"pattern": "^#/components/errors/"}})},
    examples={
        "type": "array", "minItems": 1,
        "items": _closed(
            "name description params result", name=_WORDS, description=_WORDS,
            params={"type": "array", "items": _EXAMPLE}, result=_EXAMPLE)})

# What the specification asks of a document, and of ours a little more: prose everywhere, parameters in either structure.
STRUCTURE = _closed(
    "openrpc info methods components",
    openrpc={"pattern": r"^1\.3\.\d+$"},
    info=_closed(
        "title version description license", title=_WORDS, version={"pattern": r"^\d+\.\d+\.\d+$"}, description=_WORDS,
        license=_closed("name url", name={"const": "Apache-2.0"}, url=_WORDS)),
    servers={"type": "array", "items": _closed("name url", name=_WORDS, url=_WORDS, summary=_WORDS)},
    methods={"type": "array", "items": _METHOD},
    components=_closed(
        "schemas errors",
        schemas={"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"},
                 "additionalProperties": {"type": "object", "required": ["description"]}},
        errors={"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"}, "additionalProperties": _ERROR}))


def validator(schema):
    """A validator (JSON Schema draft 7, as OpenRPC 1.3 has it) for a schema of the document, its references included."""
    schema = copy.copy(schema)
    if "$ref" in schema:  # draft 7 reads nothing beside it
        schema = {"allOf": [schema]}
    return jsonschema.Draft7Validator({**schema, "components": COMPONENTS})


def check(value, schema, what):
    """Fails with the deepest complaint when `value` is not what the schema says."""
    error = jsonschema.exceptions.best_match(validator(schema).iter_errors(value))
    assert error is None, "%s: at %s: %s" % (what, error.json_path, error.message)


def check_notification(name, params):
    """Fails unless a notification is one of the document."""
    schema = COMPONENTS["schemas"]["Notification" + "".join(word.capitalize() for word in name.split("_"))]
    check({"jsonrpc": "2.0", "method": name, "params": params}, schema, name)


def nodes(value, path="#"):
    """Every object within a JSON value, with its path."""
    if isinstance(value, dict):
        yield path, value
        for name, member in value.items():
            yield from nodes(member, "%s/%s" % (path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from nodes(member, "%s/%d" % (path, index))


def schemas():
    """(path, schema) for each schema of the document: components, parameters, results."""
    for name, schema in COMPONENTS["schemas"].items():
        yield "components.schemas." + name, schema
    for method in METHODS.values():
        yield method["name"] + " result", method["result"]["schema"]
        for parameter in method["params"]:
            yield "%s(%s)" % (method["name"], parameter["name"]), parameter["schema"]


def examples():
    """(method, example) in the order of the document."""
    for method in METHODS.values():
        for example in method.get("examples", ()):
            yield method, example


def by_name(example):
    return {parameter["name"]: parameter["value"] for parameter in example["params"]}


def by_position(method, example):
    """The example's parameters in the order of the schema, null where one is left out, the tail cut off."""
    given = by_name(example)
    values = [given.get(parameter["name"]) for parameter in method["params"]]
    while values and values[-1] is None:
        values.pop()
    return values
