# SPDX-License-Identifier: Apache-2.0
"""The command line and the Python client cover every method of the schema and every parameter."""

import inspect
import os
import pathlib
import shutil
import subprocess
import sys

import openrpc
import pytest

# method: (command, {parameter: the word of --help that gives it}). "connection" and what belongs to it are not here: a
# connection is handed over to a program by whoever speaks on it, and the command line's own would be of no use to one.
COMMANDS = {
    "spawn": ("spawn", {
        "argv": "<command>", "file": "--file", "env": "--env", "env_base": "--env-empty", "cwd": "--cwd", "stdin": "--stdin",
        "stdout": "--stdout", "stderr": "--stderr", "fds": "--fd", "user": "--user", "group": "--group", "groups": "--groups",
        "umask": "--umask", "nice": "--nice", "rlimits": "--rlimit", "no_new_privileges": "--no-new-privileges",
        "signals": "--ignore-signal", "name": "--name", "labels": "--label", "timeout_ms": "--timeout", "stop": "--stop-signal",
        "lifetime": "--lifetime", "output": "--output-limit", "hold": "--hold", "session": "--session",
        "start_timeout_ms": "--start-timeout", "pty": "--pty"}),
    "exec-replace": ("exec-replace", {
        "process": "<process>", "argv": "<command>", "file": "--file", "env": "--env", "env_base": "--env-base", "cwd": "--cwd",
        "signals": "--ignore-signal", "start_timeout_ms": "--start-timeout", "from_inside": "--from-inside"}),
    "wait": ("wait", {"processes": "<processes>", "mode": "--first-failure", "until": "--drained", "timeout_ms": "--timeout"}),
    "read": ("logs", {"process": "<process>", "stream": "--stream", "offset": "--offset", "limit": "", "timeout_ms": "--follow",
        "arrivals": "--timestamps"}),
    "write": ("write", {"process": "<process>", "data": "<data>", "eof": "--eof"}),
    "resize": ("resize", {"process": "<process>", "rows": "<rows>", "cols": "<columns>"}),
    # A subscription lives as long as the command: it is ended with it, and starts where the process is.
    "subscribe": ("events", {
        "processes": "<processes>", "events": "--event", "from": "", "lossless": "", "streams": "", "stall_ms": ""}),
    "unsubscribe": ("events", {"subscription": ""}),
    "list": ("ps", {"processes": "<processes>", "state": "--state", "name": "--name", "labels": "--label"}),
    "get": ("inspect", {"process": "<process>", "members": "", "holders": ""}),
    "update": ("update", {
        "process": "<process>", "name": "--name", "labels": "--label", "lifetime": "--lifetime", "timeout_ms": "--timeout",
        "stop": "--stop-signal"}),
    "kill": ("kill", {
        "processes": "<processes>", "signal": "--signal", "scope": "--scope", "escalate_after_ms": "--escalate", "wait": "--wait",
        "timeout_ms": "--timeout"}),
    "release": ("release", {"processes": "<processes>"}),
    "ping": ("ping", {}),
    "info": ("info", {}),
    "rpc.discover": ("schema", {}),
    "shutdown": ("shutdown", {}),
}

# Methods of procctl.Client that are not simply called as the method is.
PYTHON_NAMES = {"exec-replace": "exec_replace", "rpc.discover": "discover"}


def of_a_connection(method):
    """The parameters of exec-replace from `connection` on, which its other form does not have."""
    names = [parameter["name"] for parameter in method["params"]]
    return set(names[names.index("connection"):]) if "connection" in names else set()


def procctl():
    """The command to test: $PROCCTL, else beside $PROCCTLD, else on PATH."""
    beside = pathlib.Path(os.environ.get("PROCCTLD", "/nonexistent")).parent / "procctl"
    found = os.environ.get("PROCCTL") or (str(beside) if beside.exists() else shutil.which("procctl"))
    assert found, "no procctl: set PROCCTL or put it on PATH"
    return found


@pytest.mark.parametrize("method", openrpc.METHODS.values(), ids=openrpc.METHODS)
def test_the_command_line_covers_it(method):
    command, words = COMMANDS[method["name"]]
    assert set(words) == {parameter["name"] for parameter in method["params"]} - of_a_connection(method)
    done = subprocess.run([procctl(), command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 0 and not done.stderr, done
    told = done.stdout.decode("utf-8").replace("[", " ").replace("]", " ").replace(",", " ").split()
    missing = [word for word in words.values() if word and word not in told and word + "..." not in told and word.strip("<>") not in told]
    assert not missing, "procctl %s --help does not tell of %s" % (command, missing)


def python_client():
    """The package of this repository: installed, on PYTHONPATH, or in its folder."""
    source = openrpc.PATH.parent.parent / "clients" / "python" / "src"
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))
    import procctl as package
    import procctl.options
    return package


def keywords(package, function):
    """The parameters of a method of Client; **options are those of spawn."""
    found = set()
    for name, parameter in inspect.signature(function).parameters.items():
        found |= set(package.options.SpawnOptions.__annotations__) if parameter.kind is parameter.VAR_KEYWORD else {name}
    return found - {"self"}


@pytest.mark.parametrize("method", openrpc.METHODS.values(), ids=openrpc.METHODS)
def test_the_python_client_covers_it(method):
    package = python_client()
    function = getattr(package.Client, PYTHON_NAMES.get(method["name"], method["name"]))
    assert inspect.getdoc(function), "%s has no documentation" % method["name"]
    wanted = {parameter["name"] for parameter in method["params"]}
    wanted -= of_a_connection(method)
    # Seconds in Python, milliseconds on the wire.
    # `from` is a word of the language.
    wanted = {"from_" if name == "from" else name for name in wanted}
    assert {name[:-3] if name.endswith("_ms") else name for name in wanted} <= keywords(package, function), method["name"]


def test_the_python_client_covers_the_connection_form():
    package = python_client()
    wanted = of_a_connection(openrpc.METHODS["exec-replace"]) - {"connection"}
    has = keywords(package, package.Client.exec_replace_connection)
    assert {name[:-3] if name.endswith("_ms") else name for name in wanted} <= has


def test_the_python_client_has_an_exception_for_each_error():
    package = python_client()
    for error in openrpc.COMPONENTS["errors"].values():
        raised = package.errors.from_error(error)
        assert raised.code == error["code"] and raised.kind == error["data"]["kind"]
        assert type(raised) is not package.ProcctlError, "%s has no class of its own" % error["data"]["kind"]
