# SPDX-License-Identifier: Apache-2.0
"""procctld's start: options, socket path rules, permissions, the lock, activation, readiness."""

import fcntl
import os
import socket
import stat
import subprocess

import pytest
import serverproc
import wire
from serverproc import Started, server_command
from support import ROOT, spawn


def run(*arguments, environment=None, cwd=None):
    """Run procctld to its end; for what must not serve."""
    env = dict(os.environ, **(environment or {}))
    return subprocess.run(
        [serverproc.binary(), *map(str, arguments)],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=wire.PATIENCE,
    )


def refused(path, *words, code=1, environment=None):
    """The server must not start on `path`: exit 1 and one line on stderr that says why."""
    result = run("--socket", path, environment=environment)
    assert result.returncode == code and result.stdout == "", result
    lines = result.stderr.strip().splitlines()
    assert lines and all(word in lines[-1] for word in words), result.stderr


def test_help_and_version():
    result = run("--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in ("--socket", "--log-level", "--log-file", "--daemon", "--idle-exit-ms", "--version", "--help"):
        assert option in result.stdout
    result = run("--version")
    assert result.returncode == 0 and result.stdout.startswith("procctld ") and result.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nosuch"],
        ["--socket"],
        ["--idle-exit-ms", "soon"],
        ["--idle-exit-ms=-1"],
        ["--log-level", "loud"],
        ["word"],
        ["-x"],
        ["--daemon=yes"],
    ],
)
def test_usage_errors(arguments, place):
    result = run(*arguments, environment={"PROCCTL_SOCKET": str(place / "s")})
    assert result.returncode == 64 and result.stdout == "" and result.stderr
    assert not (place / "s").exists()


@pytest.mark.parametrize("how", [[], ["--daemon"]])
def test_a_kernel_that_is_too_old(zoo, place, how):
    """Before Linux 5.9 there is no close_range(2), number 436 everywhere."""
    command = [zoo("lacks"), "436", *server_command("--socket", str(place / "s"), *how)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=wire.PATIENCE)
    assert result.returncode == 1 and result.stdout == "" and not (place / "s").exists(), result
    assert result.stderr.count("\n") == 1 and "close_range" in result.stderr and "5.10" in result.stderr, result.stderr


@pytest.mark.parametrize("form", [["--socket", "{}"], ["--socket={}"]])
def test_both_forms_of_an_option(place, form):
    with Started(server_command(*[part.format(place / "s") for part in form]), place / "s") as server:
        assert server.connect().request("ping")


def test_permissions(server):
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o600 and stat.S_ISSOCK(os.stat(server.socket).st_mode)
    lock = server.socket + ".lock"
    assert stat.S_IMODE(os.stat(lock).st_mode) == 0o600


def test_permissions_whatever_the_umask(fresh):
    server = fresh(preexec=lambda: os.umask(0))
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o600


def test_the_path_from_the_environment(place):
    with Started(server_command(), place / "s", environment={"PROCCTL_SOCKET": str(place / "s")}) as server:
        with server.connect() as client:
            assert client.request("info")["socket"] == str(place / "s")


def test_the_option_wins(place):
    other = {"PROCCTL_SOCKET": str(place / "other")}
    with Started(server_command("--socket", place / "s"), place / "s", environment=other):
        assert not (place / "other").exists()


def test_the_runtime_directory(place):
    path = place / "procctl" / "socket"
    with Started(server_command(), path, environment={"XDG_RUNTIME_DIR": str(place)}):
        assert stat.S_IMODE((place / "procctl").stat().st_mode) == 0o700


def test_a_relative_path(place):
    with Started(server_command("--socket", "s"), place / "s", cwd=place) as server:
        with server.connect() as client:
            record = spawn(client, ["sh", "-c", 'test -S "$PROCCTL_SOCKET"'], cwd="/")
            done = client.request("wait", {"processes": record["id"]})["done"][0]
            assert done["exit"] == {"code": 0}, "programs find it from anywhere"


def test_a_path_that_is_too_long(place):
    path = str(place) + "/" + "x" * (108 - len(str(place)) - 1)
    assert len(path) == 108
    refused(path, "107")
    with Started(server_command("--socket", path[:107]), path[:107]) as server:
        assert server.connect().request("ping")


def test_a_directory_that_is_a_symlink(place):
    (place / "real").mkdir(mode=0o700)
    (place / "link").symlink_to("real")
    refused(place / "link" / "s")
    assert not (place / "real" / "s").exists()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o722])
def test_a_directory_others_can_write_to(place, mode):
    (place / "open").mkdir()
    (place / "open").chmod(mode)
    refused(place / "open" / "s")


def test_a_directory_of_somebody_else(place):
    if ROOT:
        (place / "theirs").mkdir(mode=0o700)
        os.chown(place / "theirs", 65534, 65534)
        refused(place / "theirs" / "s")
    else:
        refused("/proc/1/s")


def test_a_directory_that_is_none(place):
    (place / "file").write_text("")
    refused(place / "file" / "s")


def test_what_is_no_socket_is_not_replaced(place):
    (place / "s").write_text("precious")
    refused(place / "s")
    assert (place / "s").read_text() == "precious"


def test_a_stale_socket_is_replaced(place):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place / "s"))
    with Started(server_command("--socket", place / "s"), place / "s") as server:
        assert server.connect().request("ping")


def test_after_a_kill_it_starts_again(place):
    with Started(server_command("--socket", place / "s"), place / "s") as server:
        server.process.kill()
        server.process.wait()
    assert (place / "s").exists()
    with Started(server_command("--socket", place / "s"), place / "s") as server:
        assert server.connect().request("ping")


def test_two_servers(server):
    refused(server.socket)
    with server.connect() as client:
        assert client.request("ping"), "the first is unharmed"


def test_a_held_lock_keeps_a_socket_from_being_replaced(place):
    with socket.socket(socket.AF_UNIX) as other, open(str(place / "s") + ".lock", "w") as lock:
        other.bind(str(place / "s"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(place / "s")
        assert (place / "s").exists()


def test_a_lock_that_is_a_symlink(place):
    (place / "victim").write_text("precious")
    (place / "s.lock").symlink_to("victim")
    refused(place / "s")
    assert (place / "victim").read_text() == "precious"


def test_many_at_once_start_one(place):
    processes = [
        subprocess.Popen(
            [serverproc.binary(), "--socket", str(place / "s")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(8)
    ]
    try:
        wire.wait_until(
            lambda: sum(process.poll() is None for process in processes) == 1, what="all but one to give up"
        )
        assert sorted(process.poll() or 0 for process in processes) == [0] + [1] * 7
        wire.wait_until(lambda: (place / "s").exists())
        with wire.Client(place / "s") as client:
            assert client.request("info")["pid"] in [process.pid for process in processes]
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def test_socket_activation(place):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "activated"))
        listening.listen()
        with Started(
            ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *server_command()],
            place / "activated",
            environment={"PROCCTL_SOCKET": str(place / "unused")},
            pass_fds=(3,),
            preexec_fn=lambda: os.dup2(listening.fileno(), 3, True),
        ) as server:
            with server.connect() as client:
                assert client.request("info")["pid"] == server.process.pid
                record = spawn(client, ["sh", "-c", 'test -z "$LISTEN_FDS$LISTEN_PID" && test ! -e /dev/fd/3'])
                assert client.request("wait", {"processes": record["id"]})["done"][0]["exit"] == {"code": 0}
    assert (
        not (place / "unused").exists() and (place / "activated").exists()
    ), "a socket that is not ours is not unlinked"


def test_activation_meant_for_another_process_is_ignored(place):
    with Started(
        server_command("--socket", place / "s"), place / "s", environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    ) as one:
        assert one.connect().request("ping")


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_and_stopping_are_told(place, abstract):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = "@procctl-test-%d" % os.getpid() if abstract else str(place / "notify")
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(wire.PATIENCE)
        with Started(
            server_command("--socket", place / "s"), place / "s", environment={"NOTIFY_SOCKET": name}
        ) as server:
            told = manager.recv(4096).decode().split("\n")
            assert "READY=1" in told
            server.connect().close()
            server.process.terminate()
            assert "STOPPING=1" in manager.recv(4096).decode().split("\n")


def test_a_log_file(place):
    with Started(
        server_command("--socket", place / "s", "--log-file", place / "log", "--log-level", "debug"), place / "s"
    ):
        wire.wait_until(lambda: (place / "log").exists() and (place / "log").read_text())


def test_another_user_is_refused(place):
    """Neither the server's uid nor 0: refused at accept, though the socket's mode would let them in."""
    with Started(server_command("--socket", place / "s"), place / "s"):
        if not ROOT:
            assert stat.S_IMODE(place.stat().st_mode) == 0o700, "nobody else gets as far as the socket"
            return
        place.chmod(0o755)
        (place / "s").chmod(0o666)
        pid = os.fork()
        if pid == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                with wire.Client(place / "s") as client:
                    try:
                        client.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
                    except BrokenPipeError:
                        pass
                    came = client.ended()
                os._exit(0 if b'"result"' not in came else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
