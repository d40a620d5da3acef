# SPDX-License-Identifier: Apache-2.0
"""Libraries that start programs and know nothing of procctl, with ``procctl.subprocess`` in the place they look.

In interpreters of their own: one of them takes Popen out of the standard module when it is imported.
"""

from __future__ import annotations

import os
import sys
from typing import List

import pytest

from support import python

INSTALLED = "import procctl.subprocess\nprocctl.subprocess.install()\n"
REPLACED = "import sys, procctl.subprocess\nsys.modules['subprocess'] = procctl.subprocess\n"

INVOKE = """
import invoke
quiet = {"hide": True, "in_stream": False}
result = invoke.run("echo $PPID; echo err >&2; exit 3", warn=True, **quiet)
print(int(result.stdout) == server, repr(result.stderr), result.exited)
for command, options in (("false", {}), ("sleep 1000", {"timeout": 1})):
    try:
        invoke.run(command, **quiet, **options)
    except (invoke.UnexpectedExit, invoke.CommandTimedOut) as error:
        print(type(error).__name__)
promise = invoke.run("echo $PPID; read x; echo $x", asynchronous=True, **quiet)
process = promise.runner.process
process.stdin.write(b"word\\n")
process.stdin.flush()
print(promise.join().stdout.split() == [str(server), "word"], isinstance(process, procctl.subprocess.Popen))
"""

PEXPECT = """
import signal
from pexpect import EOF
from pexpect.popen_spawn import PopenSpawn
child = PopenSpawn(["sh", "-c", "echo $PPID; while read x; do echo got $x; done; exit 5"], timeout=20)
child.expect(str(server).encode())
for word in ("one", "two"):
    child.sendline(word)
    child.expect(("got " + word).encode())
child.sendeof()
child.expect(EOF)
print(child.wait(), isinstance(child.proc, procctl.subprocess.Popen))
child = PopenSpawn(["sleep", "1000"], timeout=20)
child.kill(signal.SIGTERM)
print(child.wait(), child.signalstatus)
"""


@pytest.mark.parametrize("how", [INSTALLED, REPLACED], ids=["installed", "replaced"])
@pytest.mark.parametrize(
    "program, said",
    [
        (INVOKE, ["True 'err\\n' 3", "UnexpectedExit", "CommandTimedOut", "True True"]),
        (PEXPECT, ["5 True", "-15 15"]),
    ],
    ids=["invoke", "pexpect"],
)
@pytest.mark.usefixtures("server")
def test_it_works_unchanged(how: str, program: str, said: List[str]) -> None:
    # The libraries may have been found along a PYTHONPATH.
    environment = {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    done = python(how + "server = procctl.connect().info()['pid']\n" + program, env=environment)
    assert done.stdout.splitlines() == said, done.stderr
