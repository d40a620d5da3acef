# SPDX-License-Identifier: Apache-2.0
"""schema/openrpc.json: a valid OpenRPC document, true of the server, and served word for word."""

import json

import jsonschema
import openrpc
import pytest
import serverproc
import wire

# Members whose value is another one on each run or machine; the shape around them is still compared.
VOLATILE = {
    "instance", "pid", "ppid", "session", "uid", "gid", "cwd", "command", "cpu_us", "rss_kib", "containment", "method",
    "exact", "signalled", "version", "socket", "release", "machine", "limits", "kernel", "started_at", "replaced_at", "exited_at", "drained_at",
    "deadline_at", "at", "usage", "counts",
}


def test_it_has_the_structure_of_an_openrpc_document():
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft7Validator(openrpc.STRUCTURE).iter_errors(openrpc.DOCUMENT))
    assert error is None, "%s: %s" % (error.json_path, error.message)
    assert len(openrpc.METHODS) == len(openrpc.DOCUMENT["methods"]), "a method twice"


def test_its_methods_are_those_of_the_design():
    assert list(openrpc.METHODS) == [
        "spawn", "exec-replace", "wait", "read", "write", "resize", "subscribe", "unsubscribe", "list", "get", "update",
        "kill", "release", "ping", "info", "rpc.discover", "shutdown",
    ]


@pytest.mark.parametrize(("path", "schema"), list(openrpc.schemas()), ids=[path for path, _ in openrpc.schemas()])
def test_each_schema_is_a_schema_and_closed(path, schema):
    jsonschema.Draft7Validator.check_schema(schema)
    for place, node in openrpc.nodes(schema):
        if "properties" in node and isinstance(node.get("type"), str):
            assert node.get("additionalProperties") is False, "%s %s is open" % (path, place)
            assert set(node.get("required", ())) <= set(node["properties"]), "%s %s requires what it does not have" % (path, place)
        assert "$ref" not in node or set(node) == {"$ref"}, "%s %s: draft 7 reads nothing beside $ref" % (path, place)


def test_every_member_has_prose():
    for path, schema in openrpc.schemas():
        for place, node in openrpc.nodes(schema):
            for name, member in node.get("properties", {}).items():
                if not isinstance(member, dict) or not isinstance(node.get("type"), str):
                    continue
                told = "description" in member or "$ref" in member or "const" in member
                assert told or node["properties"].keys() & {"kind", "soft", "nofile"}, "%s %s/%s" % (path, place, name)


def test_references_lead_somewhere_and_no_component_is_idle():
    used = set()
    for place, node in openrpc.nodes(openrpc.DOCUMENT):
        target = node.get("$ref")
        if isinstance(target, str):
            found = openrpc.DOCUMENT
            for step in target.split("/")[1:]:
                assert step in found, "%s leads nowhere: %s" % (place, target)
                found = found[step]
            used.add("/".join(target.split("/")[:4]))
    # What every method may answer, what only methods of the design that are still to come do, and what is no answer.
    general = {"ParseError", "InvalidRequest", "MethodNotFound", "InternalError", "AlreadyExited"}
    general |= {name for name in openrpc.COMPONENTS["schemas"] if name.startswith("Notification")}
    for kind, members in openrpc.COMPONENTS.items():
        for name in members:
            idle = "#/components/%s/%s" % (kind, name) not in used
            assert not idle or name in general | {"ErrorData"}, "%s %s is used nowhere" % (kind, name)


def test_parameters_required_come_first_and_have_one_meaning_each():
    for method in openrpc.METHODS.values():
        names = [parameter["name"] for parameter in method["params"]]
        assert len(set(names)) == len(names), method["name"]
        required = [parameter.get("required", False) for parameter in method["params"]]
        assert required == sorted(required, reverse=True), "%s: required parameters first" % method["name"]


def test_errors_are_those_of_the_design():
    errors = openrpc.COMPONENTS["errors"]
    kinds = {error["data"]["kind"]: error["code"] for error in errors.values()}
    assert kinds == {
        "parse_error": -32700, "invalid_request": -32600, "method_not_found": -32601, "invalid_params": -32602,
        "internal_error": -32603, "request_cancelled": -32800, "no_such_process": 1, "already_exited": 2, "spawn_failed": 3,
        "exec_failed": 4, "not_permitted": 5, "wrong_state": 6, "name_taken": 7, "limit_reached": 8, "not_supported": 9,
        "stream_closed": 10,
    }
    data = openrpc.COMPONENTS["schemas"]["ErrorData"]
    assert sorted(data["properties"]["kind"]["enum"]) == sorted(kinds)
    for name, error in errors.items():
        openrpc.check(error["data"], data, name)
        assert name.lower() == error["data"]["kind"].replace("_", "")


def test_examples_are_what_the_schemas_say():
    for method, example in openrpc.examples():
        what = "%s: %s" % (method["name"], example["name"])
        parameters = {parameter["name"]: parameter for parameter in method["params"]}
        for name, value in openrpc.by_name(example).items():
            openrpc.check(value, parameters[name]["schema"], "%s: %s" % (what, name))
        openrpc.check(example["result"]["value"], method["result"]["schema"], what)
    without = {method["name"] for method in openrpc.METHODS.values() if not method.get("examples")}
    assert without == {"rpc.discover"}, "its example would be this document"


def test_notifications_are_those_of_the_design():
    schemas = [schema for name, schema in openrpc.COMPONENTS["schemas"].items() if name.startswith("Notification")]
    names = [schema["properties"]["method"]["const"] for schema in schemas]
    assert names == [
        "started", "output", "gap", "stopped", "continued", "replaced", "exited", "drained", "subscription_ended"
    ]
    told = openrpc.METHODS["subscribe"]["description"]
    for name, schema in zip(names, schemas):
        assert "`" + name in told, "subscribe does not speak of " + name
        for example in schema["examples"]:
            openrpc.check(example, schema, name)


def still(value, name=None):
    """The value with what differs from run to run taken out; lists of pids and records keep their length."""
    if name in VOLATILE:
        return None if value is None else "…"
    if isinstance(value, dict):
        # What has been read of a running program's output, and whether that has ended, is a matter of time, and so is the
        # state letter of a member.
        passing = {"start", "end", "open"} if "open" in value else {"state"} if "ppid" in value else set()
        return {key: "…" if key in passing else still(member, key) for key, member in value.items()}
    if isinstance(value, list):
        # Records of a wait come in the order in which the processes were done.
        records = all(isinstance(member, dict) and "id" in member for member in value)
        return [still(member) for member in (sorted(value, key=lambda record: record["id"]) if records else value)]
    return value


@pytest.mark.parametrize("structure", ["by name", "by position", "with headers"])
def test_examples_run(structure):
    """In the order of the document against one server that has done nothing before: the reply is the one in the document."""
    server = serverproc.Server()
    try:
        client = server.connect("headers" if structure == "with headers" else "lines")
        for method, example in openrpc.examples():
            what = "%s: %s" % (method["name"], example["name"])
            params = openrpc.by_position(method, example) if structure == "by position" else openrpc.by_name(example)
            result = client.request(method["name"], params)
            openrpc.check(result, method["result"]["schema"], what)
            assert still(result) == still(example["result"]["value"]), what
        assert server.process.wait(20) == 0, "the last example ends the server"
    finally:
        server.end()


def test_the_server_serves_it_word_for_word(client):
    served = client.request("rpc.discover")
    assert json.dumps(served) == json.dumps(openrpc.DOCUMENT), "order of members included"


def test_info_names_the_limits_of_the_schema(client):
    limits = client.request("info")["limits"]
    assert sorted(limits) == sorted(openrpc.COMPONENTS["schemas"]["Limits"]["properties"])


@pytest.mark.parametrize("method", openrpc.METHODS.values(), ids=openrpc.METHODS)
def test_no_method_takes_more_than_the_schema_says(method, client):
    with pytest.raises(wire.RpcError) as caught:
        client.request(method["name"], {"nonesuch": 1})
    assert caught.value.code == -32602 and caught.value.data["path"] == "nonesuch", caught.value
    with pytest.raises(wire.RpcError) as caught:
        client.request(method["name"], [None] * len(method["params"]) + [1])
    assert caught.value.code == -32602, caught.value


@pytest.mark.parametrize(
    ("method", "parameter"),
    [(m["name"], p["name"]) for m in openrpc.METHODS.values() for p in m["params"]],
    ids=["%s-%s" % (m["name"], p["name"]) for m in openrpc.METHODS.values() for p in m["params"]])
def test_the_server_decodes_each_parameter(method, parameter, client):
    """A kind that no parameter takes is refused under the parameter's own name, by name and by position."""
    wrong = 1.5
    names = [p["name"] for p in openrpc.METHODS[method]["params"]]
    position = names.index(parameter)
    held = client.request("spawn", {"argv": ["true"], "hold": True})
    needed = {"argv": ["true"], "process": held["id"], "processes": [], "rows": 24, "cols": 80, "subscription": 1}
    given = {p["name"]: needed[p["name"]] for p in openrpc.METHODS[method]["params"] if p["required"]}
    if method == "exec-replace":
        given = {"argv": ["true"], "connection": True} if position > names.index("connection") else {"process": held["id"]}
    values = [wrong if name == parameter else given.get(name) for name in names]
    while values[-1] is None:
        values.pop()
    for params in ({**given, parameter: wrong}, values):
        with pytest.raises(wire.RpcError) as caught:
            client.request(method, params)
        assert caught.value.code == -32602, caught.value
        assert caught.value.data["path"].split(".")[0].split("[")[0] == parameter, caught.value
