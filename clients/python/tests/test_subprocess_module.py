# SPDX-License-Identifier: Apache-2.0
"""``procctl.subprocess`` as a module, and in the place of the standard one."""

from __future__ import annotations

import os
import signal
import subprocess as standard
import sys
from pathlib import Path
from typing import Any

import pytest

import procctl
from conftest import Server
from procctl import subprocess
from support import eventually, procctld, python


def test_it_has_all_that_the_standard_module_has(server: Server) -> None:
    assert set(standard.__all__) <= set(subprocess.__all__)
    # A warning leaves its registry in the module it came from.
    for name in {*vars(standard)} - {"__warningregistry__"}:
        assert hasattr(subprocess, name), name
    for same in ("CalledProcessError", "TimeoutExpired", "CompletedProcess", "PIPE", "STDOUT", "DEVNULL", "_active"):
        assert getattr(subprocess, same) is getattr(standard, same)
    assert issubclass(subprocess.Popen, standard.Popen) and standard.Popen is not subprocess.Popen
    assert subprocess.run.__doc__ == standard.run.__doc__


def test_the_functions(server: Server) -> None:
    assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
    assert subprocess.call(["sh", "-c", "exit 4"]) == 4
    assert subprocess.check_output("echo $0", shell=True, text=True) == "/bin/sh\n"
    assert subprocess.getstatusoutput("echo a; exit 5") == (5, "a")
    assert subprocess.getoutput("echo b") == "b"
    with pytest.raises(standard.CalledProcessError):
        subprocess.check_call(["false"])
    with pytest.raises(standard.TimeoutExpired):
        subprocess.run(["sleep", "1000"], timeout=0.01)


def test_the_standard_module_is_as_it_was(client: procctl.Client) -> None:
    child = standard.Popen(["sleep", "1000"])
    try:
        assert not client.list() and os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG) is None
    finally:
        child.kill()
        child.wait()


def test_installed(client: procctl.Client) -> None:
    subprocess.install(labels={"of": "install"})
    try:
        with standard.Popen(["sleep", "1000"]) as process:
            assert isinstance(process, subprocess.Popen)
            (record,) = client.list(labels={"of": "install"})
            assert record.pid == process.pid
            process.kill()
        assert standard.check_output(["echo", "a"]) == b"a\n" and isinstance(process, standard.Popen)
        # Our own package starts nothing by itself.
        procctl.connect().close()
    finally:
        subprocess.uninstall()
    with standard.Popen(["true"]) as child:
        assert not isinstance(child, subprocess.Popen)


def test_in_the_place_of_the_standard_module(server: Server) -> None:
    code = """
import sys
import procctl.subprocess
sys.modules["subprocess"] = procctl.subprocess
import subprocess, asyncio, webbrowser
assert webbrowser.subprocess is procctl.subprocess
with subprocess.Popen(["sleep", "1000"]) as process:
    assert procctl.connect().list()[0].pid == process.pid
    process.kill()
async def main():
    process = await asyncio.create_subprocess_exec("sh", "-c", "echo out; exit 3", stdout=-1)
    print(await process.communicate(), process.returncode)
asyncio.run(main())
"""
    done = python(code)
    assert done.stdout == "(b'out\\n', None) 3\n" and done.stderr == "", done.stderr


@pytest.mark.parametrize("how", ["procctl.subprocess.install()", "sys.modules['subprocess'] = procctl.subprocess"])
def test_a_server_is_started_with_the_standard_module(how: str, short_path: Path) -> None:
    """The server itself cannot be started through the server."""
    code = f"""
import sys, procctl.subprocess
{how}
import subprocess
print(subprocess.check_output(["echo", "through"]))
procctl.connect().shutdown()
"""
    (short_path / "run").mkdir(mode=0o700)
    environment = {
        "PROCCTL_SOCKET": str(short_path / "run" / "socket"), "PROCCTL_NO_AUTOSTART": "", "PROCCTLD": procctld(),
        "PROCCTL_IDLE_EXIT_MS": "1000",
    }
    done = python(code, env=environment)
    assert done.stdout == "b'through\\n'\n", done.stderr
    eventually(lambda: not (short_path / "run" / "socket").exists(), "the server's end")


def test_a_warning_names_the_caller(server: Server) -> None:
    """Python has this warning from 3.10 on, subprocess from 3.11 on."""
    code = """
from procctl import subprocess
subprocess.run(["true"], text=True)
subprocess.Popen(["true"], text=True).wait()
"""
    said = python(code, env={"PYTHONWARNDEFAULTENCODING": "1"}).stderr
    lines = ["<string>:3", "<string>:4"] if sys.version_info >= (3, 11) else []
    assert [line.partition(": EncodingWarning")[0] for line in said.splitlines() if "Warning" in line] == lines


def test_what_is_set_in_it_is_seen_by_what_is_in_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake(Exception):
        pass

    def fake(*_: Any, **__: Any) -> None:
        raise Fake

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", fake)
        with pytest.raises(Fake):
            subprocess.run(["true"])
        assert standard.call(["true"]) == 0
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "_PopenSelector", fake)
        with pytest.raises(Fake), subprocess.Popen(["true"], stdout=-1, stderr=-1) as process:
            process.communicate()
        assert standard._PopenSelector is fake  # type: ignore[attr-defined]
    assert standard._PopenSelector is not fake  # type: ignore[attr-defined]
    assert subprocess.call(["sh", "-c", "kill -TERM $$"]) == -signal.SIGTERM
