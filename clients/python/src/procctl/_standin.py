# SPDX-License-Identifier: Apache-2.0
"""What an ``execvp`` caller becomes: a process that does nothing but stand in for the program, towards its own parent
and its terminal.

It passes signals on, waits, and ends as the program ends. Run as a script of its own (``_standin.py DESCRIPTOR ID``) it
replaces the caller, and with it its threads, memory and other descriptors; hence it imports nothing of this package,
and little else.

All signals are blocked in here and taken one by one by sigwaitinfo(2), which unlike a handler tells where they come
from. The socket too reports by a signal, SIGIO (fcntl(2), O_ASYNC), so there is one thing to wait for.
"""

from __future__ import annotations

import _thread
import fcntl
import json
import os
import resource
import select
import signal
import struct
import sys
from typing import Any, Dict, FrozenSet, List, NoReturn, Optional

SERVER_LOST = 125
"""The exit code when the server goes away before the program has ended."""

# Not in the modules signal and fcntl: asm-generic/siginfo.h, asm-generic/fcntl.h.
_SI_KERNEL = 0x80
_F_SETOWN_EX = 15
_F_OWNER_TID = 0

# SIGIO is the socket's. Nobody sends the faults but the kernel to the process that is at fault, SIGCHLD has no child
# here to be about, and SIGPIPE and SIGXFSZ come from one's own writing.
_KEPT = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGIO,
    signal.SIGCHLD,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGSYS,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGXCPU,
}

_STOPS = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}


def forwarded() -> FrozenSet[int]:
    """The signals to pass on: all but those kept, and those this process ignores, as the program then does too."""
    return frozenset(
        int(number)
        for number in signal.valid_signals()
        if number not in _KEPT and signal.getsignal(number) is not signal.SIG_IGN
    )


class Connection:
    """The socket, with the little of the protocol that is needed here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        os.set_blocking(descriptor, False)
        # To this thread alone: in another one that runs on in the process SIGIO is not blocked, and would be its end.
        fcntl.fcntl(descriptor, _F_SETOWN_EX, struct.pack("ii", _F_OWNER_TID, _thread.get_native_id()))
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)

    def send(self, method: str, params: Dict[str, Any], number: Optional[int] = None) -> None:
        """A request, or without a number a notification. The server being gone shows when reading."""
        message: Dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        data = json.dumps(message).encode("ascii") + b"\n"
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                return

    def receive(self) -> Optional[List[Dict[str, Any]]]:
        """The messages that are there by now, or None at the end of the connection."""
        ended = False
        while not ended:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            ended = not data
            self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        return None if ended and not lines else [json.loads(line) for line in lines if line.strip()]


def stand_in(descriptor: int, process: int) -> NoReturn:
    """Stand in for a process until it has ended, and end like it. The forwarded signals have to be blocked by the
    caller already.
    """
    connection = Connection(descriptor)
    passing = forwarded()
    # With SIGIO it is the signals alone that are waited for.
    signal.pthread_sigmask(signal.SIG_BLOCK, passing | {signal.SIGIO})
    connection.send("wait", {"processes": [process]}, 1)
    while True:
        messages = connection.receive()
        if messages is None:
            _say("the connection to the server was lost; the program may still run")
            os._exit(SERVER_LOST)
        for message in messages:
            if message.get("id") == 1:
                _end(connection, process, message)
        came = signal.sigwaitinfo(passing | {signal.SIGIO})
        if came.si_signo != signal.SIGIO:
            _pass_on(connection, process, came)


def _pass_on(connection: Connection, process: int, came: signal.struct_siginfo) -> None:
    # What a terminal sends (^C, ^\\, ^Z, a new size, its end) it sends to all of the foreground's process group, and
    # the program has a group of its own now. What somebody sends to this pid is meant for one process.
    scope = "group" if came.si_code == _SI_KERNEL else "process"
    if came.si_signo not in _STOPS:
        connection.send("kill", {"processes": [process], "signal": came.si_signo, "scope": scope})
        return
    # The kernel drops SIGTSTP for a process group without a shell around it (setpgid(2), orphaned), which the program's
    # is. So that one is stopped for certain, and this process stops the way its shell expects, until it is continued.
    connection.send("kill", {"processes": [process], "signal": int(signal.SIGSTOP), "scope": "group"})
    os.kill(os.getpid(), came.si_signo)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {came.si_signo})
    signal.pthread_sigmask(signal.SIG_BLOCK, {came.si_signo})
    connection.send("kill", {"processes": [process], "signal": int(signal.SIGCONT), "scope": "group"})


def _end(connection: Connection, process: int, message: Dict[str, Any]) -> NoReturn:
    """Have the server forget the process, whose end is known here now, and end like it."""
    try:
        record = message["result"]["done"][0]
        code, number = record["exit"].get("code"), record["exit"].get("signal")
    except (KeyError, IndexError, TypeError):
        _say(f"the program's end is not known: {message.get('error', {}).get('message', 'no such record')}")
        os._exit(SERVER_LOST)
    connection.send("release", {"processes": [process]}, 2)
    answers = connection.receive()
    while answers is not None and not any(answer.get("id") == 2 for answer in answers):
        if signal.sigtimedwait({signal.SIGIO}, 1.0) is None:
            break
        answers = connection.receive()
    if number is not None:
        _die_by(number)
    os._exit(code)


def _die_by(number: int) -> NoReturn:
    """End by a signal, without a core dump: if one was to be had, the program has left it."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    except (OSError, ValueError):
        pass
    # Still here: pid 1 of a container is spared by signals without a handler, and only a main thread may reset one.
    os._exit(128 + number)


def _say(text: str) -> None:
    try:
        os.write(2, f"procctl: {text}\n".encode())
    except OSError:
        pass


if __name__ == "__main__":
    os.chdir("/")
    stand_in(int(sys.argv[1]), int(sys.argv[2]))
