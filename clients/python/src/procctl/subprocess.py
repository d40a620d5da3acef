# SPDX-License-Identifier: Apache-2.0
"""The standard module ``subprocess``, with the programs under the server's care.

``from procctl import subprocess`` gives a module with all that the standard one has. Pipes are made here and passed as
descriptors, so data never crosses the server. ``Popen(…).process`` is the process's handle.

To have other modules use it, either put it in the place of the standard one before they are imported
(``sys.modules["subprocess"] = procctl.subprocess``), or call ``install()``, after which the standard module's own Popen
is this one, and ``run``, ``check_output``, asyncio and all who look it up there follow; ``uninstall()`` undoes that.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._caller import own_limits
from ._popen import module as _module
from ._popen.module import install, uninstall
from ._popen.popen import Popen

if _TYPE_CHECKING:
    from subprocess import (
        DEVNULL,
        PIPE,
        STDOUT,
        CalledProcessError,
        CompletedProcess,
        SubprocessError,
        TimeoutExpired,
        call,
        check_call,
        check_output,
        getoutput,
        getstatusoutput,
        list2cmdline,
        run,
    )

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "CalledProcessError",
    "CompletedProcess",
    "Popen",
    "SubprocessError",
    "TimeoutExpired",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "install",
    "own_limits",
    "run",
    "uninstall",
]

_module.furnish(__name__)
