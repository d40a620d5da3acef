# SPDX-License-Identifier: Apache-2.0
"""``procctl.subprocess``: waiting, signals and the end of things, where people are careless."""

from __future__ import annotations

import os
import resource
import signal
import subprocess as standard
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, List

import pytest

import procctl
from conftest import Server
from procctl import subprocess
from procctl._popen import link, pool
from support import LONG, alive, eventually, lose_shared, open_descriptors, python, python_env


def test_nothing_is_kept_of_what_has_ended(client: procctl.Client) -> None:
    for _ in range(5):
        assert subprocess.call(["true"]) == 0
        with pytest.raises(FileNotFoundError):
            subprocess.call(["no-such-program"])
    eventually(lambda: not client.list())


def test_what_somebody_has_a_handle_of_is_kept(client: procctl.Client) -> None:
    process = subprocess.Popen(["sh", "-c", "exit 3"])
    handle = process.process
    assert handle.pid == process.pid and process.process is handle
    assert process.wait(LONG) == 3
    assert handle.exit == procctl.Exit(code=3) and client.get(handle.id).state == "exited"
    assert handle.record.usage is not None and handle.record.usage["max_rss_kib"] > 0
    handle.release()


def test_a_handle_after_the_end(client: procctl.Client) -> None:
    process = subprocess.Popen(["sh", "-c", "exit 4"])
    process.wait(LONG)
    assert process.process.returncode == 4 and process.process.wait() == procctl.Exit(code=4)
    assert process.process.record.usage is not None


def test_the_whole_tree_is_killed_through_the_handle(server: Server) -> None:
    command = ["sh", "-c", "sleep 1000 & echo $!; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert process.process.kill(wait=True).survivors == []
        assert process.wait(LONG) == -signal.SIGKILL
    eventually(lambda: not alive(child))


def test_its_program_is_replaced_through_the_handle(server: Server) -> None:
    """The same process, hence the same Popen, with another program's status."""
    with subprocess.Popen(["sleep", "1000"], stdout=subprocess.PIPE) as process:
        assert process.process.exec_replace(["sh", "-c", "echo $$; exit 9"]).pid == process.pid
        assert process.communicate(timeout=LONG)[0] == f"{process.pid}\n".encode()
        assert process.returncode == 9


def test_a_core_dump_is_a_signal_and_a_bit(server: Server, tmp_path: Path) -> None:
    command = ["sh", "-c", "ulimit -S -c $(ulimit -H -c); kill -ABRT $$"]
    child = standard.Popen(command, cwd=tmp_path)
    _, status = os.waitpid(child.pid, 0)
    child.returncode = 0
    process = subprocess.Popen(command, cwd=tmp_path)
    handle = process.process
    assert process.wait(LONG) == -signal.SIGABRT
    assert handle.exit is not None and handle.exit.core is os.WCOREDUMP(status)


def test_a_wait_of_more_than_the_kernel_counts(client: procctl.Client) -> None:
    """25 days are too many milliseconds for poll(2), the standard module's wait takes any number."""
    handle = client.spawn(["sh", "-c", "read x; exit 3"], stdin="pipe")
    processes = [subprocess.Popen(["sh", "-c", "read x; exit 3"], stdin=subprocess.PIPE) for _ in range(3)]
    seconds = 1e7, 1e10, float("inf")
    with ThreadPoolExecutor(8) as pool:
        # Of the two that wait for one process, one reads and the other is told.
        waits = [pool.submit(process.wait, many) for process, many in zip(processes, seconds) for _ in "12"]
        waits += [pool.submit(lambda: handle.wait(1e7).returncode) for _ in "12"]
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        handle.write(eof=True)
        assert [wait.result(LONG) for wait in waits] == [3] * 8


def test_signals(server: Server) -> None:
    process = subprocess.Popen(["sleep", "1000"])
    process.send_signal(0)
    with pytest.raises(OSError, match="Invalid argument"):
        process.send_signal(1000)
    with pytest.raises(TypeError):
        process.send_signal("TERM")  # type: ignore[arg-type]
    process.send_signal(signal.SIGUSR1)
    assert process.wait(LONG) == -signal.SIGUSR1
    process.kill()
    process.terminate()
    process = subprocess.Popen(["sleep", "1000"])
    process.send_signal(True)
    assert process.wait(LONG) == -signal.SIGHUP


def test_a_signal_to_what_has_ended_unnoticed(client: procctl.Client) -> None:
    """The number of one that has ended may be another's: nothing is signalled, though nobody has asked yet."""
    process = subprocess.Popen(["true"])
    handle = process.process
    client.wait(handle, timeout=LONG)
    process.kill()
    # The word of its end may still be on its way to this connection.
    assert process.wait(LONG) == 0 and client.get(handle.id, members=True).exit == procctl.Exit(code=0)


def test_only_the_process_itself_is_signalled(client: procctl.Client) -> None:
    command = ["sh", "-c", "sleep 1000 & echo $!; wait"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    assert process.wait(LONG) == -signal.SIGKILL
    eventually(lambda: not client.list(), "its being forgotten")
    assert alive(child)
    os.kill(child, signal.SIGKILL)
    process.stdout.close()


def test_threads_wait_poll_and_kill_at_once(server: Server) -> None:
    for _ in range(20):
        process = subprocess.Popen(["sleep", "1000"])
        codes: List[Any] = []

        def wait(process: Any = process) -> None:
            codes.append(process.wait(LONG))

        def poll(process: Any = process) -> None:
            while process.poll() is None:
                pass
            codes.append(process.returncode)

        def impatient(process: Any = process) -> None:
            while True:
                try:
                    return codes.append(process.wait(0.001))
                except subprocess.TimeoutExpired:
                    pass

        waiting = [threading.Thread(target=target) for target in (wait, wait, poll, impatient, impatient)]
        for thread in waiting:
            thread.start()
        killing = [threading.Thread(target=process.kill) for _ in range(3)]
        for thread in killing:
            thread.start()
        for thread in waiting + killing:
            thread.join(LONG)
        assert codes == [-signal.SIGKILL] * len(waiting)


def test_no_helper_threads(server: Server) -> None:
    code = """
import os
from procctl import subprocess
processes = [subprocess.Popen(["sleep", "1000"]) for _ in range(10)]
print(len(os.listdir("/proc/self/task")))
for process in processes:
    process.kill()
    process.wait()
"""
    assert python(code).stdout == "1\n"


def test_a_signal_handler_that_kills_and_waits(server: Server) -> None:
    code = """
import os, signal, threading
from procctl import subprocess
process = subprocess.Popen(["sleep", "1000"])
def handler(*_):
    assert process.poll() is None
    process.terminate()
    print("handler", process.wait(20), flush=True)
signal.signal(signal.SIGUSR1, handler)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
print("main", process.wait(20))
"""
    assert python(code).stdout == "handler -15\nmain -15\n"


def test_a_wait_that_is_interrupted_can_be_resumed(server: Server) -> None:
    code = """
import os, signal, threading
from procctl import subprocess
process = subprocess.Popen(["sh", "-c", "read x; exit 7"], stdin=subprocess.PIPE)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    process.wait()
except KeyboardInterrupt:
    print("interrupted")
process.stdin.close()
print(process.wait(20))
"""
    assert python(code).stdout == "interrupted\n7\n"


def test_after_a_fork(server: Server) -> None:
    """The child asks on a connection of its own, and the parent's is as it was."""
    code = """
import os, sys
from procctl import subprocess
process = subprocess.Popen(["sh", "-c", "read x; exit 5"], stdin=subprocess.PIPE)
idle = subprocess.call(["true"])
pid = os.fork()
if pid == 0:
    process.stdin.close()
    assert process.poll() is None
    print("new", subprocess.call(["sh", "-c", "exit 6"]), flush=True)
    try:
        process.wait(0.01)
    except subprocess.TimeoutExpired:
        print("waits", flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print("parent", subprocess.call(["sh", "-c", "exit 8"]), process.poll())
process.stdin.close()
print(process.wait(20))
"""
    done = python(code)
    assert done.stdout == "new 6\nwaits\nparent 8 None\n5\n", done.stderr


def test_a_forked_child_that_drops_it_touches_nothing(server: Server) -> None:
    code = """
import gc, os
from procctl import subprocess
process = subprocess.Popen(["sleep", "1000"])
if os.fork() == 0:
    del process
    gc.collect()
    subprocess._cleanup()
    os._exit(0)
assert os.wait()[1] == 0
print(process.poll())
process.kill()
print(process.wait(20))
"""
    done = python(code)
    assert done.stdout == "None\n-9\n", done.stderr


def test_the_interpreter_ends_with_programs_alive(client: procctl.Client) -> None:
    """They live on, as children would, and nothing is said but what the standard module says."""
    code = """
from procctl import subprocess
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
kept = subprocess.Popen(["sleep", "1000"], **quiet)
subprocess.Popen(["sleep", "1000"], **quiet)
print(kept.pid)
"""
    done = standard.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", code],
        env=python_env(), stdout=standard.PIPE, stderr=standard.PIPE, timeout=LONG, text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert alive(int(done.stdout)) and len(client.list(state="running")) == 2


def test_the_server_is_gone(server: Server) -> None:
    process = subprocess.Popen(["sleep", "1000"], stdout=subprocess.PIPE)
    threads = [threading.Thread(target=pytest.raises, args=(procctl.ConnectionLost, process.wait)) for _ in range(3)]
    for thread in threads:
        thread.start()
    server.kill()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    for ask in (process.wait, process.poll, process.kill, lambda: process.wait(1)):
        with pytest.raises(procctl.ConnectionLost, match="server"):
            ask()
    with pytest.raises(procctl.ServerNotRunning):
        subprocess.call(["true"])
    os.kill(process.pid, signal.SIGKILL)
    assert process.stdout is not None and process.stdout.read() == b""
    process.stdout.close()
    process.returncode = 0


def test_the_server_does_not_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen(["sleep", "1000"])
    server.popen.send_signal(signal.SIGSTOP)
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(link, "SLACK", 0.1)
            assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01)
            with pytest.raises(procctl.TimedOut):
                process.kill()
            with pytest.raises(procctl.TimedOut):
                subprocess.call(["true"], options={"start_timeout": 0.1})
    finally:
        server.popen.send_signal(signal.SIGCONT)
    process.terminate()
    assert process.wait(LONG) in (-signal.SIGKILL, -signal.SIGTERM)


def test_a_server_that_does_not_answer_a_newcomer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 0.1)
    pool.pool.close(True)
    server.popen.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(procctl.TimedOut, match="does not answer: it is stopped, or"):
            subprocess.call(["true"])
    finally:
        server.popen.send_signal(signal.SIGCONT)


def test_another_server_is_there(server: Server, short_path: Path) -> None:
    process = subprocess.Popen(["sleep", "1000"])
    assert subprocess.call(["true"]) == 0
    server.kill()
    os.kill(process.pid, signal.SIGKILL)
    other = Server(short_path / "other")
    try:
        os.unlink(server.path)
        os.symlink(other.path, server.path)
        for ask in (process.wait, process.poll):
            with pytest.raises(procctl.ConnectionLost, match="another"):
                ask()
        assert subprocess.call(["sh", "-c", "exit 2"]) == 2, "the next one is started there"
    finally:
        other.close()
    process.returncode = 0


def test_the_connection_is_lost_and_the_server_is_there(client: procctl.Client) -> None:
    process = subprocess.Popen(["sh", "-c", "read x; exit 9"], stdin=subprocess.PIPE)
    lose_shared(process)
    assert process.poll() is None and process.stdin is not None
    lose_shared(process)
    process.stdin.close()
    assert process.wait(LONG) == 9


def test_failing_starts_leak_nothing(client: procctl.Client) -> None:
    with pytest.raises(FileNotFoundError):
        subprocess.Popen(["no-such-program"])
    before = open_descriptors()
    for number in range(1000):
        with pytest.raises(OSError):
            cwd = None if number % 2 else "/nowhere"
            subprocess.Popen(["no-such-program"], stdin=-1, stdout=-1, stderr=-1, cwd=cwd)
    assert open_descriptors() == before and not client.list()


def test_few_descriptors_are_enough(server: Server) -> None:
    code = """
import os, resource
from procctl import subprocess
with open("/dev/null"):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    while True:
        try:
            taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    for number in taken[-10:]:
        os.close(number)
    print(subprocess.run(["cat"], input=b"in", stdout=subprocess.PIPE, stderr=subprocess.PIPE))
"""
    done = python(code)
    assert done.stdout == "CompletedProcess(args=['cat'], returncode=0, stdout=b'in', stderr=b'')\n", done.stderr


def test_a_name_that_is_taken(client: procctl.Client) -> None:
    """What waits for the one does not come to wait for the other, which has its name."""
    with subprocess.Popen(["sleep", "1000"], options={"name": "first"}) as first:
        with pytest.raises(procctl.NameTaken):
            subprocess.Popen(["true"], options={"name": "first"})
        assert client.get("first").pid == first.pid
        first.kill()
    assert subprocess.call(["sh", "-c", "exit 3"], options={"name": "first"}) == 3
    with pytest.raises(FileNotFoundError):
        subprocess.call(["no-such-program"], options={"name": "first"})


def test_failing_starts_keep_the_connection(client: procctl.Client) -> None:
    subprocess.call(["true"])
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            subprocess.call(["no-such-program"])
        assert open_descriptors() == before, "the same socket as before"


def test_one_connection_for_one_program_after_the_other(client: procctl.Client) -> None:
    subprocess.call(["true"])
    before = client.info()["counts"]["connections"]
    for _ in range(20):
        subprocess.call(["true"])
    assert client.info()["counts"]["connections"] == before


def test_leaks_of_a_thousand_good_starts(client: procctl.Client) -> None:
    subprocess.call(["true"])
    before = open_descriptors()
    for _ in range(50):
        several = [subprocess.Popen(["true"], stdout=subprocess.DEVNULL) for _ in range(4)]
        assert [each.wait(LONG) for each in several] == [0] * 4
    assert len(open_descriptors()) == len(before)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0
    eventually(lambda: not client.list())
