# SPDX-License-Identifier: Apache-2.0
"""Popen with the program under the server's care.

All that is about pipes, text, timeouts and arguments is the standard class's own. What is about the child is here: how
it is started, waited for and signalled.
"""

from __future__ import annotations

import atexit
import errno
import operator
import os
import signal
import subprocess
import time
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple

from .._descriptors import Descriptors
from .._path import resolve
from .._transport import Transport
from ..client import Client
from ..errors import StartError, TimedOut
from ..options import SpawnOptions
from ..process import Process
from ..record import Record
from . import request
from .link import Link

Standard = subprocess.Popen
"""The standard class, whatever may be in its place later on."""

_code = Standard._execute_child.__code__  # type: ignore[attr-defined]
_NAMES = _code.co_varnames[1 : _code.co_argcount]
"""What _execute_child is called with: it differs from version to version, and by name it does not matter."""

_clients: Dict[bytes, Client] = {}
"""What handles ask through, by the server's socket."""


def _close_clients() -> None:
    while _clients:
        _clients.popitem()[1].close()


atexit.register(_close_clients)


class Popen(subprocess.Popen[Any]):
    """A program under the server's care, with all of the standard Popen's parameters, attributes and methods.

    ``preexec_fn`` is refused. ``options`` are those of ``procctl.SpawnOptions`` that Popen has nothing like: "rlimits",
    "nice", "no_new_privileges", "name", "labels", "timeout", "stop", "lifetime", "start_timeout".
    """

    default_options: ClassVar[SpawnOptions] = {}
    """The options of every start, unless it is given others."""

    _link: Optional[Link] = None
    _handle: Optional[Process] = None

    def __init__(self, *args: Any, options: Optional[SpawnOptions] = None, **kwargs: Any) -> None:
        self._options: SpawnOptions = {**self.default_options, **(options or {})}
        super().__init__(*args, **kwargs)

    @property
    def process(self) -> Process:
        """The process's handle: its tree, its usage, its record, exec_replace. A process whose handle was asked for is
        not forgotten by the server when its end is known here.
        """
        link = self._started()
        if self._handle is None:
            client = _clients.get(link.path)
            if client is None or client.instance != link.instance:
                client = _clients[link.path] = Client(link.path, autostart=False)
            self._handle = Process(client, Record.from_wire(link.ended or link.record))
        return self._handle

    def send_signal(self, sig: int) -> None:
        """Send a signal to the process; nothing if it has ended."""
        # First: one whose end is known is not asked about.
        self.poll()
        if self.returncode is None:
            # int: before Python 3.10 True stays True.
            number = int(operator.index(sig))
            if not 0 <= number <= signal.SIGRTMAX:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            if number:
                self._started().signal(number)

    def watch(self, told: Callable[[], object]) -> Tuple[int, Optional[Transport]]:
        """For an event loop: which connection there is now, shared by many programs, whose ``catch_up`` is to be called
        when it can be read. ``told`` is called, in whichever thread, when it is time to ``poll``.
        """
        return self._started().watch(told)

    def is_watched(self, generation: int) -> bool:
        """Whether it is still that connection."""
        return self._started().generation == generation

    # What the standard class calls

    def _execute_child(self, *values: Any) -> None:
        given = dict(zip(_NAMES, values))
        program = request.Program(given)
        request.audit(program, given)
        request.check(given)
        path = resolve(None)
        try:
            try:
                self._link = self._start(path, given, program, False)
            except OSError as error:
                if error.errno != errno.EBADF or given["close_fds"]:
                    raise
                # Another thread has closed what it had open a moment ago. Copies stay, but may be too many to have.
                self._link = self._start(path, given, program, True)
        except StartError as error:
            raise request.as_os_error(error, given, program) from error
        self.pid = int(self._link.record["pid"])
        self._child_created = True
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[end] for end in ends))  # type: ignore[attr-defined]

    def _start(self, path: bytes, given: request.Given, program: request.Program, copied: bool) -> Link:
        with Descriptors() as descriptors:
            params = request.spawn_request(given, program, descriptors, self._options, copied)
            return Link(path, params, descriptors.numbers)

    def _internal_poll(self, _deadstate: Optional[int] = None, *_: Any, **__: Any) -> Optional[int]:
        """``_deadstate`` is given by who clears away what was dropped: nobody is there to hear of an error."""
        link = self._link
        if self.returncode is None and link is not None:
            try:
                if _deadstate is None or link.is_ours():
                    self._take(link.look(), _deadstate is not None)
                else:
                    self.returncode = _deadstate
            except Exception:
                if _deadstate is None:
                    raise
                self.returncode = _deadstate
        return self.returncode

    def _wait(self, timeout: Optional[float]) -> Optional[int]:
        if self.returncode is None:
            deadline = None if timeout is None else time.monotonic() + timeout
            try:
                self._take(self._started().wait(deadline))
            except TimedOut:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        return self.returncode

    def _take(self, record: Optional[Any], dropped: bool = False) -> None:
        """The end, once it is known."""
        if record is None:
            return
        ended = record["exit"]
        self.returncode = ended["code"] if "code" in ended else -ended["signal"]
        if self._handle is not None:
            self._handle.record = Record.from_wire(record)
        self._started().settle(self._handle is not None, dropped)

    def _started(self) -> Link:
        if self._link is None:
            raise ValueError("no program was started")
        return self._link


# A warning about an argument is for who called Popen. The standard class finds that frame by passing over those of its
# own file, to which this one's belongs.
_init = Standard.__init__.__code__
Popen.__init__.__code__ = Popen.__init__.__code__.replace(
    co_filename=_init.co_filename, co_firstlineno=_init.co_firstlineno
)
