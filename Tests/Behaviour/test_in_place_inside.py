# SPDX-License-Identifier: Apache-2.0
"""A program under the server's care that replaces itself, through the server: `from_inside`, and the clients' own ways."""

import json
import os
import pathlib
import sys

import pytest
import wire
from cli_support import binary
from replacing import refused, replace, same_program
from support import can, drained, get, kill, read_all, read_until, ready, spawn, unfold, wait_one

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"

# Asks the server to be replaced, over a socket of its own; prints what it is told, should it be told anything.
ASKS = """
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ["PROCCTL_SOCKET"])
params = {"from_inside": True, **json.loads(sys.argv[1])}
connection.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "exec-replace", "params": params}).encode() + b"\\n")
print(connection.makefile().readline(), flush=True)
sys.exit(5)
"""


def asks(client, **params):
    return spawn(client, [sys.executable, "-c", ASKS, json.dumps(params)])


def package(**more):
    """The environment in which the Python client can be imported."""
    return {"PYTHONPATH": str(PYTHON / "src"), "PYTHONDONTWRITEBYTECODE": "1", "PROCCTL_NO_AUTOSTART": "1", **more}


def test_a_process_replaces_itself(server, client, zoo):
    def connections():
        return client.request("info")["counts"]["connections"]

    before = connections()
    record = asks(client, argv=[zoo("probe"), "x"])
    done = drained(client, record["id"])
    assert done["generation"] == 2 and done["exit"] == {"code": 0} and done["pid"] == record["pid"]
    seen = unfold(read_all(client, record["id"]))
    assert seen["argv"][1] == b"x" and set(seen["fds"]) == {"0", "1", "2"}, "its connection was its own"
    wire.wait_until(lambda: connections() == before, what="the connection's end to be seen")


def test_it_hears_of_its_failure(client):
    record = asks(client, argv=["nosuch"])
    assert drained(client, record["id"])["exit"] == {"code": 5}
    error = json.loads(read_all(client, record["id"]))["error"]
    assert error["code"] == 4 and error["data"]["errno_name"] == "ENOENT"


def test_nobody_else_is_inside(client, zoo):
    record = ready(client, [zoo("waits")])
    refused(client, record["id"], "wrong_state", "not_inside", from_inside=True)
    # A child of the process, which has all its environment: not the process.
    child = spawn(client, ["sh", "-c", '"$@"; exit 6', "sh", sys.executable, "-c", ASKS, json.dumps({"argv": ["true"]})])
    assert drained(client, child["id"])["exit"] == {"code": 6}
    assert json.loads(read_all(client, child["id"]))["error"]["data"]["reason"] == "not_inside"


def test_the_name_and_the_pid_must_agree(client, zoo):
    other = ready(client, [zoo("waits")])
    record = asks(client, process=other["id"], argv=["true"])
    assert drained(client, record["id"])["exit"] == {"code": 5}
    assert json.loads(read_all(client, record["id"]))["error"]["data"]["reason"] == "not_inside"
    named = spawn(
        client, [sys.executable, "-c", ASKS, json.dumps({"process": "itself", "argv": [zoo("exits"), "4"]})], name="itself")
    assert drained(client, named["id"])["exit"] == {"code": 4}


LAST_PID = pathlib.Path("/proc/sys/kernel/ns_last_pid")

# Connects, leaves the connection to a child, and ends. The child says when, and asks.
BEQUEATHS = """
import json, os, socket, sys, time
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ["PROCCTL_SOCKET"])
connection.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\\n')
connection.recv(1000)
if os.fork():
    os._exit(0)
os.setsid()  # a pid is not free as long as it names a session
while not os.path.exists(sys.argv[1]):
    time.sleep(0.005)
params = {"from_inside": True, "argv": ["true"]}
connection.sendall(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "exec-replace", "params": params}).encode() + b"\\n")
print(connection.makefile().readline(), flush=True)
"""


@pytest.mark.skipif(not can(lambda: LAST_PID.write_text(LAST_PID.read_text())), reason="cannot say which pid is next")
def test_another_process_that_got_the_pid(client, zoo, room):
    """A connection outlives who made it; the pid in its credentials may be another process by then."""
    first = spawn(client, [sys.executable, "-c", BEQUEATHS, str(room / "now")])
    wait_one(client, first["id"])

    def successor():
        LAST_PID.write_text(str(first["pid"] - 1))
        record = ready(client, [zoo("waits")])
        if record["pid"] == first["pid"]:
            return record
        kill(client, record["id"], signal="KILL")
        return None

    second = wire.wait_until(successor, what="the pid to be given once more")
    (room / "now").touch()
    drained(client, first["id"])
    assert json.loads(read_all(client, first["id"]))["error"]["data"]["reason"] == "not_inside"
    same_program(second, get(client, second["id"]))


# The Python client


EXECS = "import procctl, sys; print('calling', flush=True); procctl.execvp(sys.argv[1], sys.argv[1:]); print('Good Bye!!')"


def test_execvp_in_a_managed_process(client, zoo):
    record = spawn(client, [sys.executable, "-c", EXECS, zoo("probe"), "an argument"], env=package(MARK="1"))
    done = drained(client, record["id"])
    said = read_all(client, record["id"])
    assert said.startswith(b"calling\n") and b"Good Bye" not in said
    seen = unfold(said[len(b"calling\n"):])
    assert seen["pid"] == record["pid"] and done["generation"] == 2 and done["exit"] == {"code": 0}
    assert seen["argv"] == [os.fsencode(zoo("probe")), b"an argument"] and seen["env"][b"MARK"] == b"1"
    assert len(client.request("list", {})["processes"]) == 1, "no second process"


def test_the_books_example_in_a_managed_process(client):
    record = spawn(
        client, ["python3", str(PYTHON / "examples" / "calling_process.py")], stdin="pipe", env=package())
    read_until(client, record["id"], b"Press ENTER to exit ")
    assert get(client, record["id"])["generation"] == 2
    replace(client, record["id"], "sh", "-c", "read line; echo \"<$line>\"; exit 4")
    client.request("write", {"process": record["id"], "data": "hello\n"})
    assert drained(client, record["id"])["exit"] == {"code": 4}
    assert read_all(client, record["id"]) == (
        b"Process calling\nHello from the called process\nPress ENTER to exit <hello>\n")


def test_execvp_that_fails_in_a_managed_process(client):
    code = (
        "import procctl\ntry: procctl.execvp('nosuch', ['nosuch'])\n"
        "except FileNotFoundError as error: print(type(error).__mro__[1].__name__, error.filename, flush=True)\nraise SystemExit(8)")
    record = spawn(client, [sys.executable, "-c", code], env=package())
    assert drained(client, record["id"])["exit"] == {"code": 8}
    assert read_all(client, record["id"]) == b"ExecError nosuch\n"


def test_execvp_keeps_what_execvp_keeps(client, zoo, room):
    code = (
        "import os, procctl, signal, sys\n"
        "os.chdir(sys.argv[1]); os.umask(0o13); os.set_inheritable(os.open('.', os.O_RDONLY), True); os.open('.', os.O_RDONLY)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "os.environ['ADDED'] = '1'; del os.environ['DROPPED']\n"
        "procctl.execvp(sys.argv[2], ['named'])")
    record = spawn(client, [sys.executable, "-c", code, str(room), zoo("probe")], env=package(DROPPED="1"))
    assert drained(client, record["id"])["exit"] == {"code": 0}
    seen = unfold(read_all(client, record["id"]))
    assert seen["cwd"] == os.fsencode(os.path.realpath(room)) and seen["umask"] == 0o13 and seen["argv"] == [b"named"]
    assert len(seen["fds"]) == 4 and b"DROPPED" not in seen["env"] and seen["env"][b"ADDED"] == b"1"
    assert int(seen["SigBlk"], 16) == 1 << 9 and int(seen["SigIgn"], 16) & 1


def test_execvp_of_a_child_of_a_managed_process(client, zoo):
    """PROCCTL_PROCESS is inherited: whoever is not the process itself gets one of its own, and is not mistaken for it."""
    record = spawn(
        client, ["sh", "-c", 'trap "" TERM; "$@"; exit 6', "sh", sys.executable, "-c", EXECS, zoo("exits"), "3"], env=package())
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 6} and done["generation"] == 1


@pytest.mark.parametrize("hint", ["999999", "nonsense", None])
def test_the_pid_counts_and_not_the_environment(client, zoo, hint):
    record = spawn(client, [sys.executable, "-c", EXECS, zoo("exits"), "3"], env=package(PROCCTL_PROCESS=hint))
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 3} and done["generation"] == 2


# The command line


def test_the_command_that_is_the_process(client):
    """`exec procctl exec-replace --from-inside` in a managed shell."""
    script = 'echo one; exec "$0" exec-replace --from-inside -- sh -c "echo two; exit 3"'
    record = spawn(client, ["sh", "-c", script, binary()], env={"PROCCTL_NO_AUTOSTART": "1"})
    done = drained(client, record["id"])
    assert done["exit"] == {"code": 3} and done["generation"] == 2
    assert read_all(client, record["id"]) == b"one\ntwo\n"


def test_the_command_that_is_not(client, zoo):
    record = spawn(client, ["sh", "-c", '"$0" exec-replace --from-inside -- true; exit $?', binary()])
    assert wait_one(client, record["id"])["exit"] == {"code": 1}
    assert b"not" in read_all(client, record["id"], "stderr")

