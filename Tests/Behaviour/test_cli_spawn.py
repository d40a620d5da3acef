# SPDX-License-Identifier: Apache-2.0
"""procctl spawn, exec-replace and update: every parameter of the schema has its option, and says what was meant."""

import json
import pathlib
import select

import pytest
import wire
from cli_support import cli, recorder  # noqa: F401

SCHEMA = json.loads((pathlib.Path(__file__).parents[2] / "schema" / "openrpc.json").read_text())


def parameters(method):
    found = next(item for item in SCHEMA["methods"] if item["name"] == method)
    return {item["name"] for item in found["params"]}


#: Options of spawn, and what they must make of the parameter.
SPAWN = {
    "file": (["--file", "sh", "--file", "/bin/sh"], ["sh", "/bin/sh"]),
    "stdin": (["--stdin", "input"], {"file": "input"}),
    "pty": (["--pty", "--size", "40x120", "--term", "vt100"], {"rows": 40, "cols": 120, "term": "vt100"}),
    "stdout": (["--stdout", "append:log"], {"file": "log", "mode": "append"}),
    "stderr": (["--merge-stderr"], "stdout"),
    "user": (["--user", "nobody"], "nobody"),
    "group": (["--group", "65534"], 65534),
    "groups": (["--groups", "adm,27"], ["adm", 27]),
    "umask": (["--umask", "027"], 0o027),
    "nice": (["--nice", "-5"], -5),
    "rlimits": (
        ["--rlimit", "nofile=64", "--rlimit", "core=0:unlimited", "--rlimit", "as=1G"],
        {"nofile": 64, "core": {"soft": 0, "hard": "unlimited"}, "as": 1 << 30},
    ),
    "no_new_privileges": (["--no-new-privileges"], True),
    "signals": (
        ["--ignore-signal", "hup", "--ignore-signal", "SIGPIPE", "--block-signal", "10"],
        {"ignored": ["HUP", "SIGPIPE"], "blocked": [10]},
    ),
    "name": (["--name", "web"], "web"),
    "labels": (["--label", "a=b", "-l", "c=d=e", "-l", "f="], {"a": "b", "c": "d=e", "f": ""}),
    "timeout_ms": (["--timeout", "1.5m"], 90_000),
    "stop": (["--stop-signal", "INT", "--grace", "250ms"], {"signal": "INT", "grace_ms": 250}),
    "lifetime": (["--lifetime", "lease:30s"], {"lease_ms": 30_000}),
    "output": (["--output-limit", "64K", "--when-full", "block"], {"limit": 65536, "when_full": "block"}),
    "hold": (["--hold"], True),
    "session": (["--session", "group"], "group"),
    "start_timeout_ms": (["--start-timeout", "3"], 3000),
}


@pytest.mark.parametrize("name", sorted(SPAWN))
def test_an_option_for_each_parameter(recorder, name):
    options, wanted = SPAWN[name]
    command, server = recorder()
    assert command("spawn", *options, "--", "prog", "-x") == "1\n"
    (request,) = server.requests
    assert request["method"] == "spawn"
    assert request["params"][name] == wanted
    assert request["params"]["argv"] == ["prog", "-x"]


@pytest.mark.parametrize("word, wanted", [("apart", "apart"), ("new", "new"), ("4711", {"group": 4711})])
def test_session_by_word_or_by_group(recorder, word, wanted):
    command, server = recorder()
    command("spawn", "--session", word, "--", "prog")
    assert server.requests[0]["params"]["session"] == wanted


def test_a_session_that_is_none(recorder):
    command, _ = recorder()
    for word in ("old", "0", "-1", "99999999999"):
        done = command.run("spawn", "--session=" + word, "--", "prog")
        assert done.returncode != 0 and b"--session" in done.stderr, done


def test_no_parameter_is_forgotten():
    elsewhere = {"argv", "env", "env_base", "cwd", "fds"}
    assert parameters("spawn") == set(SPAWN) | elsewhere


def test_what_is_always_sent_and_nothing_besides(recorder, tmp_path):
    command, server = recorder()
    command("spawn", "prog", cwd=tmp_path, umask=0o035)
    params = server.requests[0]["params"]
    assert set(params) == {"argv", "env_base", "env", "cwd", "umask"}
    assert (params["env_base"], params["umask"]) == ("empty", 0o035)
    assert server.requests[0]["descriptors"][params["cwd"]["fd"]] == str(tmp_path)
    assert params["env"] == command.environment


def test_the_environment(recorder):
    command, server = recorder()
    command("spawn", "--env", "A=1", "-e", "A=2", "--unset", "PATH", "prog")
    wanted = dict(command.environment, A="2")
    del wanted["PATH"]
    assert server.requests[0]["params"]["env"] == wanted
    command("spawn", "-i", "-e", "ONLY=x=y", "prog")
    assert server.requests[1]["params"]["env"] == {"ONLY": "x=y"}


def test_descriptors(recorder, tmp_path):
    command, server = recorder()
    with open(tmp_path / "five", "wb") as five:
        number = five.fileno()
        command(
            "spawn", "--fd", "7=%d" % number, "--fd", str(number), "--stdin", "inherit", "--stdout", "fd:%d" % number,
            "prog", pass_fds=[number], stdin=five,
        )
    params, descriptors = server.requests[0]["params"], server.requests[0]["descriptors"]
    assert set(params["fds"]) == {"7", str(number)}
    for index in [*params["fds"].values(), params["stdin"]["fd"], params["stdout"]["fd"]]:
        assert descriptors[index] == str(tmp_path / "five")


@pytest.mark.parametrize(
    "options", [["--timeout", "x"], ["--timeout", "1e9"], ["--timeout", "-1"], ["--timeout", "0"], ["--umask", "8"],
                ["--nice", "99"], ["--env", "novalue"], ["--label", "=x"], ["--rlimit", "nofile"],
                ["--lifetime", "connection"], ["--lifetime", "lease:0"], ["--stdin", "append:x"], ["--output-limit", "x"],
                ["--session", "other"], ["--size", "24x80"], ["--pty", "--size", "0x80"],
                ["--stop-signal", "NOSUCH"], ["--stop-signal", "65"], ["--fd", "x"], ["--fd", "2=5"],
                ["--fd", "70000=5"],
                ["--merge-stderr", "--stderr", "null"]],
)
def test_wrong_options_are_usage_errors(recorder, options):
    command, server = recorder()
    command.fails(64, "spawn", *options, "prog")
    assert server.requests == []


def test_durations(recorder):
    command, server = recorder()
    durations = {"500ms": 500, "2s": 2000, "1m": 60_000, "0.25": 250, "3": 3000, "2h": 7_200_000}
    for text, milliseconds in durations.items():
        command("spawn", "--grace", text, "prog")
        assert server.requests[-1]["params"]["stop"] == {"grace_ms": milliseconds}


def test_spawn_for_real(cli, client, tmp_path):
    identifier = int(cli("spawn", "--name", "some", "-l", "a=b", "sh", "-c", "pwd; exit 3", cwd=tmp_path))
    assert cli.run("wait", "some").returncode == 3
    record = client.request("get", {"process": identifier})
    assert (record["name"], record["labels"], record["cwd"]) == ("some", {"a": "b"}, str(tmp_path))
    assert cli("logs", "some") == "%s\n" % tmp_path


def test_spawn_files_are_the_programs(cli, tmp_path):
    (tmp_path / "in").write_text("input\n")
    cli("wait", cli("spawn", "--stdin", "in", "--stdout", "out", "cat", cwd=tmp_path).strip(), "-q")
    assert (tmp_path / "out").read_text() == "input\n"
    cli("wait", cli("spawn", "--stdin", "in", "--stdout", "append:out", "cat", cwd=tmp_path).strip(), "-q")
    assert (tmp_path / "out").read_text() == "input\n" * 2
    message = cli.fails(1, "spawn", "--stdout", "new:out", "true", cwd=tmp_path)
    assert message == "cannot start, stdout out: File exists"


def test_a_start_that_fails_is_status_1(cli):
    assert cli.fails(1, "spawn", "nosuch") == "nosuch: No such file or directory"
    done = cli.run("spawn", "--json", "nosuch")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"], error["data"]["errno_name"]) == (1, 3, "ENOENT")


def test_name_taken_says_by_whom(cli):
    identifier = cli("spawn", "--name", "one", "sleep", "1000").strip()
    assert "process %s has it" % identifier in cli.fails(1, "spawn", "--name", "one", "true")


def test_hold_and_exec_replace(cli, tmp_path):
    held = cli("spawn", "--hold", "--name", "held", "sh", "-c", "echo first").strip()
    assert cli.json("inspect", held)["state"] == "held"
    assert cli.fails(1, "exec-replace", "held", "nosuch") == "nosuch: No such file or directory"
    assert cli("exec", "held", "--env", "X=y", "--cwd", str(tmp_path), "--", "sh", "-c", "echo $X; pwd") == ""
    assert cli.run("wait", "held").returncode == 0
    assert cli("logs", "held") == "y\n%s\n" % tmp_path


#: Options of exec-replace; those of the connection form belong to a program that is itself the connection.
EXEC = {
    "file": (["--file", "/bin/sh"], ["/bin/sh"]),
    "env": (["--env", "A=1", "--unset", "B"], {"A": "1", "B": None}),
    "env_base": (["--env-base", "empty"], "empty"),
    "signals": (["--fresh-signals"], "fresh"),
    "start_timeout_ms": (["--start-timeout", "1.5s"], 1500),
}


@pytest.mark.parametrize("name", sorted(EXEC))
def test_an_option_for_each_parameter_of_exec_replace(recorder, name):
    options, wanted = EXEC[name]
    command, server = recorder()
    command("exec-replace", *options, "7", "--", "prog", "-x")
    command("exec-replace", "web", *options, "prog", "--env", "no=option")
    for request, process in zip(server.requests, [7, "web"]):
        assert request["params"][name] == wanted
        assert request["params"]["process"] == process
    assert server.requests[0]["params"]["argv"] == ["prog", "-x"]
    assert server.requests[1]["params"]["argv"] == ["prog", "--env", "no=option"]


def test_exec_replace_keeps_what_it_is_not_told(recorder):
    command, server = recorder()
    command("exec-replace", "7")
    assert server.requests[0]["params"] == {"process": 7}


def test_exec_replace_of_a_running_process(cli, tmp_path):
    running = cli("spawn", "--name", "running", "--env", "KEPT=1", "sleep", "1000").strip()
    assert cli.fails(1, "exec", running, "nosuch") == "nosuch: No such file or directory"
    before = cli.json("inspect", running)
    program = ["sh", "-c", "echo $KEPT $X; pwd; exit 5"]
    answer = json.loads(cli("exec", "running", "--json", "-e", "X=y", "-C", str(tmp_path), "--", *program))
    assert (answer["pid"], answer["generation"]) == (before["pid"], 2)
    assert cli.run("wait", running).returncode == 5
    assert cli("logs", running) == "1 y\n%s\n" % tmp_path
    assert "replaced" in cli("inspect", running)


@pytest.mark.parametrize("flags, sent", [
    (["--inherit-signals"], "inherit"), (["--fresh-signals"], "fresh"),
    (["--ignore-signal", "HUP", "--block-signal", "USR1"], {"ignored": ["HUP"], "blocked": ["USR1"]})])
def test_signals_of_exec_replace(recorder, flags, sent):
    command, server = recorder()
    command("exec", "7", *flags, "prog")
    assert server.requests[0]["params"]["signals"] == sent
    assert "Give one of" in command.fails(64, "exec", "7", "--inherit-signals", "--fresh-signals", "prog")


def test_exec_replace_refused_says_why(cli):
    stopped = cli("spawn", "true").strip()
    cli("wait", stopped)
    assert "exited" in cli.fails(1, "exec", stopped, "true")


def test_events_tell_of_a_replacement(cli):
    process = cli("spawn", "sleep", "1000").strip()
    with cli.start("events", process, "--event", "replaced") as watching:
        # Told from the subscription on: replaced until it has been.
        wire.wait_until(lambda: cli("exec", process, "sleep", "1000") == "" and select.select([watching.stdout], [], [], 0)[0])
        cli("kill", "-9", process)
        assert b"%s replaced by sleep 1000\n" % process.encode() in watching.communicate(timeout=30)[0]


UPDATE = {
    "name": (["--name", "new"], "new"),
    "labels": (["--label", "a=b"], {"a": "b"}),
    "lifetime": (["--lifetime", "detached"], "detached"),
    "timeout_ms": (["--timeout", "2s"], 2000),
    "stop": (["--stop-signal", "QUIT"], {"signal": "QUIT"}),
}


@pytest.mark.parametrize("name", sorted(UPDATE))
def test_an_option_for_each_parameter_of_update(recorder, name):
    options, wanted = UPDATE[name]
    command, server = recorder()
    command("update", "7", *options)
    assert server.requests[0]["params"] == {"process": 7, name: wanted}


def test_update_has_every_parameter():
    assert parameters("update") == set(UPDATE) | {"process"}


def test_update_for_real(cli):
    identifier = cli("spawn", "-l", "a=b", "--timeout", "1h", "sleep", "1000").strip()
    record = cli.json("update", identifier, "--name", "fresh", "--no-labels", "--timeout", "none")
    assert (record["name"], record["labels"], record["deadline_at"]) == ("fresh", {}, None)
    cli("update", "fresh", "--timeout", "50ms")
    assert cli.run("wait", "fresh").returncode == 128 + 15
    assert cli.json("inspect", identifier)["reason"] == "deadline"
    assert "--help" in cli.fails(64, "update", identifier)


def test_a_lease(cli):
    identifier = cli("spawn", "--lifetime", "lease:300ms", "sleep", "1000").strip()
    with wire.Client(cli.socket) as client:
        wire.wait_until(
            lambda: client.request("list", {"state": "exited"})["processes"], what="the lease to run out"
        )
    assert cli.json("inspect", identifier)["reason"] == "lease"
