# SPDX-License-Identifier: Apache-2.0
"""Every method of the schema has its command, every command its help, and shells their completions."""

import json
import pathlib
import subprocess

import pytest
from cli_support import Recorder, alone, binary, cli, recorder  # noqa: F401

SCHEMA = json.loads((pathlib.Path(__file__).parents[2] / "schema" / "openrpc.json").read_text())

#: method -> a command that calls it
COMMANDS = {
    "spawn": ["spawn", "x"],
    "exec-replace": ["exec-replace", "1"],
    "wait": ["wait", "1"],
    "kill": ["kill", "1"],
    "list": ["ps"],
    "get": ["inspect", "1"],
    "read": ["logs", "1"],
    "write": ["write", "1", "data"],
    "resize": ["resize", "1", "24", "80"],
    "subscribe": ["events", "1"],
    "update": ["update", "1", "--name", "x"],
    "release": ["release", "1"],
    "ping": ["ping"],
    "info": ["info"],
    "shutdown": ["shutdown", "--no-wait"],
    "rpc.discover": ["schema"],
}

NAMES = [
    "run", "spawn", "exec-replace", "attach", "wait", "kill", "stop", "release", "ps", "inspect", "logs", "events",
    "write", "resize", "update", "ping", "info", "serve", "shutdown", "call", "schema",
]


def test_every_method_has_a_command():
    # A subscription ends with the command that began it.
    assert set(COMMANDS) | {"unsubscribe"} == {method["name"] for method in SCHEMA["methods"]}


@pytest.mark.parametrize("method", sorted(COMMANDS))
def test_the_command_calls_the_method(recorder, method):
    captured = {"kind": "pipe", "start": 0, "end": 1, "open": False}
    streams = {"stdin": {"kind": "null"}, "stdout": captured, "stderr": {"kind": "stdout"}}
    record = dict(Recorder.RECORD, streams=streams, processes=[], pending=[])
    chunk = {"process": 1, "stream": "stdout", "offset": 0, "text": "x", "next_offset": 1, "end": True}
    command, server = recorder(lambda name, params: chunk if name == "read" else dict(record, done=[record]))
    command.run(*COMMANDS[method])
    assert method in [request["method"] for request in server.requests]


@pytest.mark.parametrize("method", sorted(COMMANDS))
def test_call_reaches_every_method(recorder, method):
    command, server = recorder(lambda name, params: {"method": name})
    assert json.loads(command("call", method, '{"any": ["thing", null, 9007199254740993]}')) == {"method": method}
    assert server.requests[0]["params"] == {"any": ["thing", None, 9007199254740993]}


def test_schema_is_what_the_server_says(cli):
    assert cli.json("schema") == SCHEMA
    listed = [line.split()[0] for line in cli("schema").splitlines()]
    assert listed == [method["name"] for method in SCHEMA["methods"]]
    assert "processes*" in cli("schema", "wait")
    assert "no method" in cli.fails(1, "schema", "nosuch")


@pytest.mark.parametrize("name", NAMES)
def test_help(alone, name):
    done = alone().run(name, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"OVERVIEW: ") and b"USAGE: procctl %s" % name.encode() in done.stdout


@pytest.mark.parametrize("name", ["run", "attach"])
def test_help_shows_a_key_as_it_is_given(alone, name):
    assert "(default: ^])" in " ".join(alone()(name, "--help").split())


def test_help_names_every_command(alone):
    text = alone()("--help")
    words = " ".join(text.split())
    for name in NAMES:
        assert "\n  %s" % name in text
    assert "Exit status: 0 done" in words and "69 no server" in words


def test_version(alone):
    assert alone()("--version").strip() == SCHEMA["info"]["version"]


def test_usage_errors_are_one_line_and_64(alone):
    command = alone()
    assert "there is no command 'nosuch'" in command.fails(64, "nosuch")
    assert "procctl ps --help" in command.fails(64, "ps", "--state", "odd")
    assert "procctl exec-replace --help" in command.fails(64, "exec")


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", None), ("fish", None)])
def test_completion_scripts(alone, tmp_path, shell, check):
    text = alone()("--generate-completion-script", shell)
    for name in NAMES:
        assert name in text
    if check:
        subprocess.run([*check], input=text.encode(), check=True)


def test_completion_in_bash(cli):
    cli("spawn", "--name", "findable", "sleep", "1000")
    script = """
source <("$procctl" --generate-completion-script bash)
PATH=$(dirname "$procctl"):$PATH
COMP_WORDS=(procctl kill "") COMP_CWORD=2 COMP_LINE="procctl kill " COMP_POINT=13 COMP_TYPE=9
_procctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(
        ["bash", "-c", script], env=dict(cli.environment, procctl=binary()), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert b"findable" in done.stdout.split(), done
