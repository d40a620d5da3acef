# SPDX-License-Identifier: Apache-2.0
"""The descriptors of one message.

They travel beside it as ancillary data (SCM_RIGHTS, unix(7)), the message names them by index. One index may be used
several times.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from types import TracebackType
from typing import Any, Dict, Iterable, List, Optional, Type, Union

from .errors import LimitReached
from .options import File, HasFileno, Stdio

MAX_DESCRIPTORS = 253
"""The most descriptors one message can carry: SCM_MAX_FD of the kernel."""

_WORDS = {subprocess.PIPE: "pipe", subprocess.STDOUT: "stdout", subprocess.DEVNULL: "null"}


class Descriptors:
    """Collects the descriptors a request names. A context manager: those opened for the request are closed when it has
    been answered.
    """

    def __init__(self) -> None:
        self.numbers: List[int] = []
        self._index: Dict[int, int] = {}
        self._opened: List[int] = []

    def add(self, descriptor: Union[int, HasFileno]) -> int:
        """The index of a descriptor in the message. Raises LimitReached for one too many."""
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"a descriptor is a number, not {type(number).__name__}")
        if number < 0:
            raise ValueError(f"a descriptor is 0 or more, not {number}")
        if number not in self._index:
            if len(self.numbers) == MAX_DESCRIPTORS:
                raise LimitReached(
                    f"too many descriptors: at most {MAX_DESCRIPTORS} fit into one message",
                    8,
                    {"kind": "limit_reached", "limit": "message_descriptors", "maximum": MAX_DESCRIPTORS},
                )
            # A closed one fails here and now. Later its number may mean another file, such as the directory opened for
            # this message.
            os.get_inheritable(number)
            self._index[number] = len(self.numbers)
            self.numbers.append(number)
        return self._index[number]

    def open_directory(self, path: Union[str, bytes]) -> int:
        """A descriptor of a directory, opened for this message only. O_PATH: being there is enough, it need not be
        readable.
        """
        number = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._opened.append(number)
        return number

    def copies(self, numbers: Iterable[int]) -> Dict[int, int]:
        """A descriptor of this message's own for each that is still open: another thread may close its while the message
        is made.
        """
        copies: Dict[int, int] = {}
        for number in numbers:
            try:
                copies[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
            except OSError as error:
                if error.errno != errno.EBADF:
                    raise
            else:
                self._opened.append(copies[number])
        return copies

    def add_directory(self, path: str) -> int:
        """The index of a directory opened for this message only."""
        return self.add(self.open_directory(path))

    def stdio(self, value: Stdio) -> Any:
        """A standard stream as it goes over the wire; None for the server's default."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, File):
            return value.to_wire()
        if isinstance(value, int) and value in _WORDS:
            return _WORDS[value]
        return {"fd": self.add(value)}

    def close(self) -> None:
        """Close what was opened for this message."""
        while self._opened:
            os.close(self._opened.pop())

    def __enter__(self) -> "Descriptors":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def inheritable(leave_out: Iterable[int] = ()) -> List[int]:
    """This process's open descriptors from 3 on that an execve would keep (those without FD_CLOEXEC), in order."""
    found: List[int] = []
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        try:
            if number > 2 and number not in leave_out and os.get_inheritable(number):
                found.append(number)
        except OSError as error:
            # The directory was read through a descriptor that is in the list and closed by now; other threads close
            # theirs too.
            if error.errno != errno.EBADF:
                raise
    return sorted(found)
