# SPDX-License-Identifier: Apache-2.0
"""Nothing is guessed: each wrong parameter is -32602 and names its place; whatever comes, the server lives."""

import string

import hypothesis
import hypothesis.strategies as st
import pytest
from support import failure

SPAWN = {"argv": ["true"]}

# (method, params, data.path)
BAD = [
    ("spawn", {}, "argv"),
    ("spawn", {"argv": []}, "argv"),
    ("spawn", {"argv": "true"}, "argv"),
    ("spawn", {"argv": [1]}, "argv[0]"),
    ("spawn", {"argv": ["a", None]}, "argv[1]"),
    ("spawn", {"argv": ["a\u0000b"]}, "argv[0]"),
    ("spawn", {"argv": ["a", {"base64": "AGE="}]}, "argv[1]"),
    ("spawn", {"argv": [{"base64": "!"}]}, ("argv[0]", "argv[0].base64")),
    ("spawn", {"argv": [{"base64": "QQ"}]}, ("argv[0]", "argv[0].base64")),
    ("spawn", {"argv": [{"base64": "QQ==", "text": ""}]}, ("argv[0].text", "argv[0]")),
    ("spawn", {"argv": ["a"], "cwdd": "/"}, "cwdd"),
    ("spawn", dict(SPAWN, file=1), "file"),
    ("spawn", dict(SPAWN, file=[]), "file"),
    ("spawn", dict(SPAWN, file=["a", 2]), "file[1]"),
    ("spawn", dict(SPAWN, file="a\0b"), "file"),
    ("spawn", dict(SPAWN, env="A=1"), "env"),
    ("spawn", dict(SPAWN, env={"A": 1}), "env.A"),
    ("spawn", dict(SPAWN, env={"PATH": ["x"]}), "env.PATH"),
    ("spawn", dict(SPAWN, env={"A": "x\0y"}), "env.A"),
    ("spawn", dict(SPAWN, env={"A=B": "x"}), "env.A=B"),
    ("spawn", dict(SPAWN, env={"": "x"}), ("env.", "env")),
    ("spawn", dict(SPAWN, env_base="keep"), "env_base"),
    ("spawn", dict(SPAWN, cwd=5), "cwd"),
    ("spawn", dict(SPAWN, cwd="a\0"), "cwd"),
    ("spawn", dict(SPAWN, cwd={"fd": 0}), "cwd.fd"),
    ("spawn", dict(SPAWN, cwd={"fd": "0"}), "cwd.fd"),
    ("spawn", dict(SPAWN, stdin="nosuch"), "stdin"),
    ("spawn", dict(SPAWN, stdin=0), "stdin"),
    ("spawn", dict(SPAWN, stdin={}), ("stdin", "stdin.file")),
    ("spawn", dict(SPAWN, stdin={"fd": -1}), "stdin.fd"),
    ("spawn", dict(SPAWN, stdin={"fd": 0}), "stdin.fd"),
    ("spawn", dict(SPAWN, stdin={"file": "/dev/null", "mode": "append"}), ("stdin.mode", "stdin")),
    ("spawn", dict(SPAWN, stdout="stdout"), "stdout"),
    ("spawn", dict(SPAWN, stdout={"file": "/x", "mode": "a"}), "stdout.mode"),
    ("spawn", dict(SPAWN, stdout={"file": 1}), "stdout.file"),
    ("spawn", dict(SPAWN, stdout={"mode": "append"}), ("stdout.file", "stdout")),
    ("spawn", dict(SPAWN, stderr={"fd": 7}), "stderr.fd"),
    ("spawn", dict(SPAWN, fds={"3": 0}), "fds.3"),
    ("spawn", dict(SPAWN, fds={"x": 0}), "fds.x"),
    ("spawn", dict(SPAWN, fds={"-1": 0}), "fds.-1"),
    ("spawn", dict(SPAWN, fds={"03": 0}), "fds.03"),
    ("spawn", dict(SPAWN, fds={"65536": 0}), "fds.65536"),
    ("spawn", dict(SPAWN, fds=[0]), "fds"),
    ("spawn", dict(SPAWN, user=-1), "user"),
    ("spawn", dict(SPAWN, user=2**32), "user"),
    ("spawn", dict(SPAWN, user=2**32 - 1), "user"),
    ("spawn", dict(SPAWN, user=True), "user"),
    ("spawn", dict(SPAWN, group=-1), "group"),
    ("spawn", dict(SPAWN, groups=0), "groups"),
    ("spawn", dict(SPAWN, groups=[0, -1]), "groups[1]"),
    ("spawn", dict(SPAWN, umask=512), "umask"),
    ("spawn", dict(SPAWN, umask="8"), "umask"),
    ("spawn", dict(SPAWN, umask=-1), "umask"),
    ("spawn", dict(SPAWN, nice=20), "nice"),
    ("spawn", dict(SPAWN, nice=-21), "nice"),
    ("spawn", dict(SPAWN, nice=1.5), "nice"),
    ("spawn", dict(SPAWN, rlimits={"files": 1}), "rlimits.files"),
    ("spawn", dict(SPAWN, rlimits={"core": -1}), "rlimits.core"),
    ("spawn", dict(SPAWN, rlimits={"core": "much"}), "rlimits.core"),
    ("spawn", dict(SPAWN, rlimits={"core": {"soft": 0, "firm": 0}}), "rlimits.core.firm"),
    ("spawn", dict(SPAWN, no_new_privileges=1), "no_new_privileges"),
    ("spawn", dict(SPAWN, signals="old"), "signals"),
    ("spawn", dict(SPAWN, signals={"ignored": ["NOPE"]}), "signals.ignored[0]"),
    ("spawn", dict(SPAWN, signals={"ignored": ["term"]}), "signals.ignored[0]"),
    ("spawn", dict(SPAWN, signals={"blocked": [65]}), "signals.blocked[0]"),
    ("spawn", dict(SPAWN, signals={"caught": []}), "signals.caught"),
    ("spawn", dict(SPAWN, name=""), "name"),
    ("spawn", dict(SPAWN, name="all"), "name"),
    ("spawn", dict(SPAWN, name="1a"), "name"),
    ("spawn", dict(SPAWN, name="a b"), "name"),
    ("spawn", dict(SPAWN, name="a" * 65), "name"),
    ("spawn", dict(SPAWN, name="a\n"), "name"),
    ("spawn", dict(SPAWN, labels={"a": 1}), "labels.a"),
    ("spawn", dict(SPAWN, timeout_ms=0), "timeout_ms"),
    ("spawn", dict(SPAWN, timeout_ms="1"), "timeout_ms"),
    ("spawn", dict(SPAWN, timeout_ms=1.0), "timeout_ms"),
    ("spawn", dict(SPAWN, stop={"signal": 0}), "stop.signal"),
    ("spawn", dict(SPAWN, stop={"grace_ms": -1}), "stop.grace_ms"),
    ("spawn", dict(SPAWN, stop={"grace": 1}), "stop.grace"),
    ("spawn", dict(SPAWN, lifetime="forever"), "lifetime"),
    ("spawn", dict(SPAWN, lifetime={"lease_ms": 0}), "lifetime.lease_ms"),
    ("spawn", dict(SPAWN, output={"limit": 0}), "output.limit"),
    ("spawn", dict(SPAWN, output={"limit": (1 << 30) + 1}), "output.limit"),
    ("spawn", dict(SPAWN, output={"when_full": "drop"}), "output.when_full"),
    ("spawn", dict(SPAWN, hold="yes"), "hold"),
    ("spawn", dict(SPAWN, session="old"), "session"),
    ("spawn", dict(SPAWN, session=1), "session"),
    ("spawn", dict(SPAWN, session={}), "session.group"),
    ("spawn", dict(SPAWN, session={"group": 0}), "session.group"),
    ("spawn", dict(SPAWN, session={"group": 1 << 31}), "session.group"),
    ("spawn", dict(SPAWN, session={"group": 1, "new": True}), "session.new"),
    ("spawn", dict(SPAWN, env=[["A"]]), "env[0]"),
    ("spawn", dict(SPAWN, env=[["A", "1"], ["B", "2", "3"]]), "env[1]"),
    ("spawn", dict(SPAWN, env=[["A", "1"], ["", "2"]]), "env[1][0]"),
    ("spawn", dict(SPAWN, env=[["A=B", "2"]]), "env[0][0]"),
    ("spawn", dict(SPAWN, env=[["A", 2]]), "env[0][1]"),
    ("spawn", dict(SPAWN, env=[[None, "2"]]), "env[0][0]"),
    ("spawn", dict(SPAWN, start_timeout_ms=0), "start_timeout_ms"),
    ("spawn", dict(SPAWN, start_timeout_ms=600001), "start_timeout_ms"),
    ("spawn", dict(SPAWN, pty=True), "pty"),
    ("spawn", dict(SPAWN, pty={"rows": 0}), "pty.rows"),
    ("spawn", dict(SPAWN, pty={"cols": 65536}), "pty.cols"),
    ("spawn", dict(SPAWN, pty={"term": "a\0b"}), "pty.term"),
    ("spawn", dict(SPAWN, pty={"columns": 80}), "pty.columns"),
    ("spawn", dict(SPAWN, pty={}, session="group"), "session"),
    ("spawn", dict(SPAWN, pty={}, session="inherit"), "session"),
    ("wait", {}, "processes"),
    ("wait", {"processes": 1.5}, "processes"),
    ("wait", {"processes": 0}, "processes"),
    ("wait", {"processes": [[]]}, "processes[0]"),
    ("wait", {"processes": {"name": "x"}}, "processes.name"),
    ("wait", {"processes": {"labels": {"a": 1}}}, "processes.labels.a"),
    ("wait", {"processes": [], "mode": "some"}, "mode"),
    ("wait", {"processes": [], "until": "end"}, "until"),
    ("wait", {"processes": [], "timeout_ms": -1}, "timeout_ms"),
    ("wait", {"processes": [], "timeout": 1}, "timeout"),
    ("kill", {"signal": "TERM"}, "processes"),
    ("kill", {"processes": [], "signal": 0}, "signal"),
    ("kill", {"processes": [], "signal": 65}, "signal"),
    ("kill", {"processes": [], "signal": "SIGNOPE"}, "signal"),
    ("kill", {"processes": [], "signal": "9"}, "signal"),
    ("kill", {"processes": [], "scope": "session"}, "scope"),
    ("kill", {"processes": [], "escalate_after_ms": -1}, "escalate_after_ms"),
    ("kill", {"processes": [], "wait": 1}, "wait"),
    ("list", {"state": "dead"}, "state"),
    ("list", {"state": ["running", "dead"]}, "state[1]"),
    ("list", {"labels": []}, "labels"),
    ("list", {"pid": 1}, "pid"),
    ("get", {}, "process"),
    ("get", {"process": [1]}, "process"),
    ("get", {"process": 1, "members": 1}, "members"),
    ("read", {"process": 1, "stream": "stdin"}, "stream"),
    ("read", {"process": 1, "offset": -1}, "offset"),
    ("read", {"process": 1, "limit": 0}, "limit"),
    ("read", {"process": 1, "limit": (1 << 20) + 1}, "limit"),
    ("read", {"process": 1, "timeout_ms": -1}, "timeout_ms"),
    ("read", {"process": 1, "arrivals": 1}, "arrivals"),
    ("write", {"data": "x"}, "process"),
    ("write", {"process": 1}, ""),
    ("write", {"process": 1, "eof": False}, ""),
    ("write", {"process": 1, "data": 5}, "data"),
    ("write", {"process": 1, "data": {"base64": "!"}}, ("data", "data.base64")),
    ("write", {"process": 1, "data": "", "eof": 1}, "eof"),
    ("resize", {"process": 1, "rows": 24}, "cols"),
    ("resize", {"process": 1, "rows": 0, "cols": 80}, "rows"),
    ("resize", {"process": 1, "rows": 24, "cols": 65536}, "cols"),
    ("subscribe", {"processes": 1.5}, "processes"),
    ("subscribe", {"events": "output"}, "events"),
    ("subscribe", {"events": ["output", "dead"]}, "events[1]"),
    ("subscribe", {"from": 0}, "from"),
    ("subscribe", {"from": {"stdin": 0}}, "from.stdin"),
    ("subscribe", {"from": {"stdout": -1}}, "from.stdout"),
    ("subscribe", {"lossless": "yes"}, "lossless"),
    ("subscribe", {"streams": ["stdin"]}, "streams[0]"),
    ("subscribe", {"stall_ms": 0}, "stall_ms"),
    ("subscribe", {"stall_ms": 31_622_400_001}, "stall_ms"),
    ("subscribe", {"stall_ms": "1"}, "stall_ms"),
    ("unsubscribe", {}, "subscription"),
    ("unsubscribe", {"subscription": 1}, "subscription"),
    ("unsubscribe", {"subscription": 0}, "subscription"),
    ("update", {"process": 1, "state": "running"}, "state"),
    ("update", {"process": 1, "timeout_ms": "never"}, "timeout_ms"),
    ("release", {}, "processes"),
    ("release", {"processes": [], "force": True}, "force"),
    ("exec-replace", {"process": 1, "argv": []}, "argv"),
    ("exec-replace", {"process": 1, "env_base": "new"}, "env_base"),
    ("exec-replace", {"process": 1, "pty": {}}, "pty"),
    ("ping", {"x": 1}, "x"),
    ("info", {"x": 1}, "x"),
    ("shutdown", {"now": True}, "now"),
    ("rpc.discover", {"x": 1}, "x"),
]


@pytest.mark.parametrize("method, params, path", BAD, ids=["%s-%s" % (row[0], row[1]) for row in BAD])
def test_bad_parameters_are_named(client, method, params, path):
    error = failure(client.request, method, params)
    assert error.code == -32602 and error.data["kind"] == "invalid_params", error
    assert error.data["path"] in (path if isinstance(path, tuple) else (path,)), error
    assert isinstance(error.data["expected"], str) and isinstance(error.data["found"], str), error


def test_nothing_starts_from_a_bad_request(client):
    for method, params, _ in BAD:
        failure(client.request, method, params)
    assert client.request("list", {})["processes"] == []


def test_exec_replace_wants_exactly_one_subject(client):
    for params in ({"argv": ["true"]}, {"process": 1, "connection": True, "argv": ["true"]}, {"connection": True}):
        assert failure(client.request, "exec-replace", params).code == -32602


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(max_size=20)
# jansson has no U+0000 in a key: the message would be no JSON (test_framing).
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
words = st.sampled_from(["all", "exited", "stdout", "pipe", "null", "TERM", "KILL", "x", "new", "tree", "/nonexistent"])
values = st.recursive(
    scalars | texts | words,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        keys | st.sampled_from(["fd", "file", "mode", "base64", "labels", "soft", "hard", "signal", "lease_ms"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)
members = st.sampled_from(
    "file env env_base cwd stdin stdout stderr fds user group groups umask nice rlimits no_new_privileges signals name "
    "labels timeout_ms stop lifetime output hold session start_timeout_ms process processes mode until signal scope "
    "wait state stream offset limit members holders escalate_after_ms pty arrivals data eof rows cols events from lossless "
    "streams subscription".split()
)
METHODS = [
    "spawn",
    "wait",
    "kill",
    "list",
    "get",
    "read",
    "write",
    "resize",
    "subscribe",
    "unsubscribe",
    "update",
    "release",
    "ping",
    "info",
    "exec-replace",
    "$/x",
    "nosuch",
]


@hypothesis.settings(max_examples=200)
@hypothesis.given(method=st.sampled_from(METHODS), params=st.dictionaries(members | keys, values, max_size=5))
def test_any_params_get_one_answer(server, method, params):
    params.pop("connection", None)  # would make the program the peer
    if method == "spawn":
        params["argv"] = ["/nonexistent/program"]
    if method == "wait" or method == "kill" or method == "read":
        params["timeout_ms"] = 0 if method != "kill" else 1
    with server.connect() as client:
        client.send({"jsonrpc": "2.0", "id": "x", "method": method, "params": params})
        answer = client.receive()
        assert answer["id"] == "x" and ("result" in answer) != ("error" in answer), answer
        if "error" in answer:
            assert answer["error"]["code"] != -32603, answer


pieces = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\n",
        b"\r\n",
        b"null",
        b"1e9",
        b'"id"',
        b'"method"',
        b'"jsonrpc":"2.0"',
        b"Content-Length: ",
        b"5",
        b"\r\n\r\n",
        b"\\u0000",
        b"\0",
        b"\xff",
        b" ",
    ]
)


@hypothesis.settings(max_examples=150)
@hypothesis.given(data=st.binary(max_size=300) | st.lists(pieces, max_size=60).map(b"".join))
def test_any_bytes_leave_the_server_unharmed(server, data):
    with server.connect() as client:
        client.pour(data)
        try:
            client.half_close()
        except OSError:
            pass
        came = client.ended()
        assert b'"result"' not in came
    with server.connect() as client:
        assert client.request("ping")["instance"]


@hypothesis.settings(max_examples=100)
@hypothesis.given(line=st.text(alphabet=string.printable, max_size=200))
def test_any_line_is_answered_before_the_next(server, line):
    line = line.replace("\n", " ").replace("\r", " ").strip()
    with server.connect() as client:
        client.send_raw(b"{}\n" + line.encode() + b"\n" + b'{"jsonrpc":"2.0","id":"end","method":"ping"}\n')
        while client.receive().get("id") != "end":
            pass
