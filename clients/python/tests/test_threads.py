# SPDX-License-Identifier: Apache-2.0
"""One client, many threads; forks; signal handlers; servers that go away."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, List

import pytest
from support import LONG, alive, eventually, in_child, open_descriptors, python, python_command, python_env

import procctl

SLEEP = ["sleep", "1000"]


def test_threads_share_a_client(client: procctl.Client) -> None:
    def work(number: int) -> int:
        process = client.spawn(["sh", "-c", f"exit {number % 256}"])
        assert client.ping() == client.instance
        return process.wait(LONG).returncode

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(200))) == [number % 256 for number in range(200)]


def test_who_waits_long_delays_nobody(client: procctl.Client) -> None:
    first, second = client.spawn(SLEEP), client.spawn(SLEEP)
    with ThreadPoolExecutor(2) as pool:
        # The first to wait reads for all; when it leaves early, the other must take over, and be woken by its own
        # answer.
        waiting = [pool.submit(process.wait, LONG) for process in (first, second)]
        assert client.ping()
        first.kill()
        assert waiting[0].result(LONG).signal == signal.SIGKILL
        second.kill()
        assert waiting[1].result(LONG).signal == signal.SIGKILL


def test_a_leader_that_times_out_hands_over(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(client.call, "wait", {"processes": process.id}, timeout=0.02 * number) for number in range(1, 7)
        ]
        last = pool.submit(process.wait, LONG)
        for each in waiting:
            with pytest.raises(procctl.TimedOut):
                each.result(LONG)
        process.kill()
        assert last.result(LONG).signal == signal.SIGKILL


def test_a_cancelled_wait_leaves_the_process_alone(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    with pytest.raises(procctl.RequestCancelled):
        client.call("wait", {"processes": process.id}, timeout=0.01)
    assert process.poll() is None and client.ping()


def test_closing_ends_the_waits_of_other_threads(client: procctl.Client) -> None:
    before = open_descriptors()
    other = procctl.connect()
    process = other.spawn(SLEEP)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(process.wait) for _ in range(3)]
        eventually(lambda: len(other._transport._pending) == 3)
        other.close()
        for each in waiting:
            with pytest.raises(procctl.ConnectionLost):
                each.result(LONG)
    with pytest.raises(procctl.ConnectionLost):
        other.ping()
    assert open_descriptors() == before


def test_a_server_that_is_killed_ends_every_wait(server: Any) -> None:
    with procctl.connect() as client:
        process = client.spawn(SLEEP, stdin="null", stdout="null", stderr="null")
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(process.wait) for _ in range(4)]
            eventually(lambda: len(client._transport._pending) == 4)
            server.kill()
            for each in waiting:
                with pytest.raises(procctl.ConnectionLost) as caught:
                    each.result(LONG)
                assert isinstance(caught.value, ConnectionError)
        for _ in range(2):
            with pytest.raises(procctl.ConnectionLost):
                client.ping()
    with pytest.raises(procctl.ServerNotRunning):
        procctl.connect()
    os.kill(process.pid or 0, signal.SIGKILL)


def _interrupting(handler: Callable[..., Any], during: Callable[[], Any], when: Callable[[], bool]) -> Any:
    """Do something in this thread, and have a signal come in meanwhile."""
    before = signal.signal(signal.SIGUSR1, handler)

    def interrupt() -> None:
        eventually(when)
        # In the poll by now, or about to enter it; both have to work.
        time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        return during()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def test_control_c_cancels_the_request_and_the_client_goes_on(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _interrupting(interrupt, process.wait, lambda: client._transport.led)
    assert client.ping() and process.poll() is None
    assert client._transport._pending == {}


def test_a_signal_handler_may_use_the_client(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    ended = _interrupting(
        lambda *_: process.kill(), lambda: process.wait(LONG), lambda: client._transport.led
    )
    assert ended.signal == signal.SIGKILL and client.ping()


def test_a_signal_handler_may_use_the_client_while_another_thread_reads(client: procctl.Client) -> None:
    process, other = client.spawn(SLEEP), client.spawn(SLEEP)
    with ThreadPoolExecutor(1) as pool:
        leading = pool.submit(other.wait)
        eventually(lambda: client._transport.led)
        ended = _interrupting(
            lambda *_: process.kill(), lambda: process.wait(LONG), lambda: len(client._transport._pending) == 2
        )
        assert ended.signal == signal.SIGKILL
        other.kill()
        assert leading.result(LONG).signal == signal.SIGKILL


def test_a_forked_child_gets_a_connection_of_its_own(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    parents = client._transport._socket.fileno()

    def work() -> bool:
        closed = "socket:[" not in open_descriptors().get(parents, "")
        return (
            closed
            and client.ping() == client.instance
            and process.kill(wait=True).survivors == []
            and process.wait(LONG).signal == signal.SIGKILL
        )

    assert in_child(work)
    assert client.ping() and process.wait(LONG).signal == signal.SIGKILL


def test_a_fork_amid_requests_of_other_threads(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    with ThreadPoolExecutor(2) as pool:
        waiting: List[Any] = [pool.submit(process.wait) for _ in range(2)]
        eventually(lambda: len(client._transport._pending) == 2)
        assert in_child(lambda: client.ping() == client.instance)
        process.kill()
        assert [each.result(LONG).signal for each in waiting] == [signal.SIGKILL] * 2


def test_a_forked_child_does_not_keep_the_parents_connection(client: procctl.Client) -> None:
    owner = procctl.connect()
    process = owner.spawn(SLEEP, lifetime="connection")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    owner.close()
    try:
        assert client.process(process.record.id).wait(LONG).signal == signal.SIGTERM
    finally:
        os.close(writing)
        os.waitpid(pid, 0)


def test_the_interpreter_ends_with_clients_in_use(client: procctl.Client) -> None:
    done = python("""
import threading, procctl
client = procctl.connect()
process = client.spawn(["sleep", "1000"], lifetime="connection")
threading.Thread(target=process.wait, daemon=True).start()
while not client._transport.led:
    pass
print(process.id)
""")
    assert (done.returncode, done.stderr) == (0, "")
    assert client.process(int(done.stdout)).wait(LONG).signal == signal.SIGTERM


def test_control_c_in_a_program(client: procctl.Client) -> None:
    import subprocess

    code = "import procctl; p = procctl.connect().spawn(['sleep', '1000']); print(p.id, flush=True); p.wait()"
    with subprocess.Popen(
        python_command(code), env=python_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout
        process = client.process(int(program.stdout.readline()))
        # Interrupted when it waits in the kernel for its answer.
        eventually(lambda: Path(f"/proc/{program.pid}/wchan").exists() and _sleeps(program.pid))
        program.send_signal(signal.SIGINT)
        errors = program.communicate(timeout=LONG)[1]
    assert program.returncode == -signal.SIGINT and "KeyboardInterrupt" in errors
    assert process.poll() is None


def _sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_a_server_that_talks_nonsense_is_left(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "socket"))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b'{"id":1,"result":{"instance":"x"}}\n')
                connection.recv(1000)
                connection.sendall(b"nonsense\n")
                assert connection.recv(1000) == b""

        thread = threading.Thread(target=serve)
        thread.start()
        with procctl.connect(short_path / "socket", autostart=False) as client:
            with pytest.raises(procctl.ConnectionLost, match="not JSON-RPC"):
                client.ping()
        thread.join()


def test_answers_may_come_in_any_order_and_any_pieces(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "socket"))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as lines:
                lines.readline()
                connection.sendall(b'{"id":1,"result":{"instance":"x"}}\n')
                for _ in range(2):
                    lines.readline()
                answers = b'\n{"method":"$/unasked"}\n[{"id":3,"result":3},{"id":99,"result":0}]\n'
                answers += b'{"id":2,"result":"\xc3\xa4"}\n'
                for index in range(len(answers)):
                    connection.sendall(answers[index : index + 1])
                lines.readline()

        thread = threading.Thread(target=serve)
        thread.start()
        with procctl.connect(short_path / "socket", autostart=False) as client, ThreadPoolExecutor(2) as pool:
            assert {each.result(LONG) for each in [pool.submit(client.call, "m") for _ in range(2)]} == {3, "ä"}
        thread.join()


def test_alive_tells_the_living(client: procctl.Client) -> None:
    process = client.spawn(SLEEP)
    assert alive(process.pid or 0)
    process.kill(wait=True)
    assert not alive(process.pid or 0)
