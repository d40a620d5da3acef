# SPDX-License-Identifier: Apache-2.0
"""What Popen's parameters mean for a program that is not this process's child.

All that a child would inherit and a message can carry is sent along: directory, environment, umask, ignored and blocked
signals, descriptors under their numbers.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Any, Dict, List, Mapping, Optional, Union

from .. import _caller
from .._descriptors import Descriptors, inheritable
from .._spawn import spawn_params
from .._values import BytesLike
from ..errors import StartError
from ..options import Signals, SpawnOptions

Given = Mapping[str, Any]
"""The arguments of Popen._execute_child, by name."""

EXTRA = frozenset(
    ("rlimits", "nice", "no_new_privileges", "name", "labels", "timeout", "stop", "lifetime", "start_timeout")
)
"""The keywords of ``spawn`` that Popen has nothing like, and so takes as they are."""

_RESTORED = frozenset(getattr(signal, name) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ") if hasattr(signal, name))


class Program:
    """Which program is to run, with which arguments."""

    def __init__(self, given: Given) -> None:
        args, shell, executable = given["args"], given["shell"], given["executable"]
        if isinstance(args, (str, bytes)):
            args = [args]
        elif isinstance(args, os.PathLike):
            if shell:
                raise TypeError("path-like args is not allowed when shell is true")
            args = [args]
        else:
            args = list(args)
        if shell:
            args = ["/bin/sh", "-c", *args]
            if executable:
                args[0] = executable
        self.argv: List[BytesLike] = args
        self.executable: BytesLike = args[0] if executable is None else executable

    def candidates(self, env: Optional[Mapping[Any, Any]]) -> List[BytesLike]:
        """Where it is looked for: itself if it names a directory, else in each element of the PATH it will have."""
        name = os.fsencode(self.executable)
        if os.path.dirname(name):
            return [name]
        return [os.path.join(os.fsencode(directory), name) for directory in os.get_exec_path(env)]


def check(given: Given) -> None:
    """Raise for what cannot be done, as the standard module would or because it cannot cross."""
    if given["preexec_fn"] is not None:
        raise ValueError(
            "preexec_fn cannot be used: the procctl server starts the program, and nothing of this process's Python there"
        )
    for what in ("uid", "gid"):
        if given[what] is not None and given[what] >= 1 << 32:
            raise OverflowError(f"{what} is too large: {given[what]}")
    for gid in given["gids"] or ():
        if not 0 <= gid < 1 << 32:
            raise ValueError(f"invalid group id: {gid}")
    if given["start_new_session"] and given.get("process_group", -1) >= 0:
        # setpgid(2): a session's leader stays in its group.
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    if given["env"] is not None and None in given["env"].values():
        raise TypeError("expected str, bytes or os.PathLike object, not NoneType")


def spawn_request(
    given: Given, program: Program, descriptors: Descriptors, extra: SpawnOptions, copied: bool
) -> Dict[str, Any]:
    """The params of ``spawn``; the descriptors are added to ``descriptors``, ``copied`` those of ``close_fds=False``."""
    umask, ignored = _caller.inherited()
    streams = [
        _stream(number if passed == -1 else passed, passed == -1)
        for number, passed in enumerate((given["p2cread"], given["c2pwrite"], given["errwrite"]))
    ]
    options: SpawnOptions = {
        "file": program.candidates(given["env"]),
        # As of our own: env={**os.environ, …} has the entry without a name, too.
        "env": None if given["env"] is None else {name: value for name, value in given["env"].items() if name},
        "cwd": _directory(given["cwd"], descriptors),
        "stdin": streams[0],
        "stdout": streams[1],
        "stderr": streams[2],
        "fds": _passed(given, descriptors, copied),
        "umask": given["umask"] if given["umask"] >= 0 else umask,
        "signals": Signals(
            tuple(sorted(ignored - (_RESTORED if given["restore_signals"] else frozenset()))),
            tuple(sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        ),
        "session": _session(given),
    }
    _identity(given, options)
    for keyword, value in extra.items():
        if keyword not in EXTRA:
            raise TypeError(f"not an option of Popen: {keyword!r} (it has {', '.join(sorted(EXTRA))})")
        options[keyword] = value  # type: ignore[literal-required]
    return spawn_params(descriptors, program.argv, options)


def as_os_error(error: StartError, given: Given, program: Program) -> OSError:
    """The error of a failed start as the standard module has it: what could not be entered or executed as it was
    named.
    """
    number = error.errno or 0
    about = {"cwd": given["cwd"], "exec": program.executable}.get(error.stage or "")
    return OSError(number, os.strerror(number), about)


def _stream(number: int, is_own: bool) -> Union[int, str]:
    """A descriptor for 0, 1 or 2. One of ours that is closed is /dev/null there: nothing good comes of a program that
    opens its first file as its stdin.
    """
    try:
        os.get_inheritable(number)
    except OSError:
        if not is_own:
            raise
        return "null"
    return number


def _directory(cwd: Optional[BytesLike], descriptors: Descriptors) -> int:
    """The directory as a descriptor: this process may enter it, the program's user need not be allowed to."""
    try:
        return descriptors.open_directory("." if cwd is None else os.fspath(cwd))
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), cwd) from None


def _passed(given: Given, descriptors: Descriptors, copied: bool) -> Dict[int, int]:
    """The descriptors from 3 on that the program gets, by their numbers: themselves, or copies of them."""
    numbers = {int(number) for number in given["pass_fds"]}
    if any(number < 0 for number in numbers):
        raise ValueError("bad value(s) in fds_to_keep")
    passed = {number: number for number in sorted(numbers - {0, 1, 2})}
    if not given["close_fds"]:
        found = inheritable(passed)
        passed.update(descriptors.copies(found) if copied else {number: number for number in found})
    return passed


def _session(given: Given) -> Union[str, int]:
    """A group of its own that it does not lead: ``kill 0`` there must reach neither the server nor other programs, and
    as a child that is in its parent's group it may call setsid(2).
    """
    if given["start_new_session"]:
        return "new"
    group: int = given.get("process_group", -1)
    return "apart" if group < 0 else group or "group"


def _identity(given: Given, options: SpawnOptions) -> None:
    """Ids that are not named stay as they are here. The server would give a user its own groups."""
    uid, gid, gids = given["uid"], given["gid"], given["gids"]
    if uid is not None:
        gid = os.getegid() if gid is None else gid
        gids = os.getgroups() if gids is None else gids
    options["user"], options["group"], options["groups"] = uid, gid, gids


def audit(program: Program, given: Given) -> None:
    """Tell audit hooks, as the standard module does."""
    sys.audit("subprocess.Popen", program.executable, program.argv, given["cwd"], given["env"])
