# SPDX-License-Identifier: Apache-2.0
"""execvp and its kin: the caller becomes the program, as far as anybody can tell from outside."""

from __future__ import annotations

import base64
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from support import EXAMPLES, LONG, PROBE, alive, eventually, python, python_command, python_env

import procctl

EXEC_SH = "import procctl; procctl.execvp('sh', ['sh', '-c', 'read line; exit 6'])"
SH = "import sys, procctl; procctl.execvp('sh', ['sh', '-c', sys.argv[1]]); print('Good Bye!!')"


def caller(code: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """A running caller with pipes."""
    env = python_env(options.pop("env", None))
    return subprocess.Popen(
        python_command(code, *arguments),
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def the_process(client: procctl.Client) -> procctl.Process:
    """The one process of the server, as soon as it runs."""
    return client.process(eventually(lambda: client.list(state="running"), "the program's start")[0])


def nothing_left(client: procctl.Client) -> bool:
    return client.list() == []


def test_the_books_example(client: procctl.Client) -> None:
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / "calling_process.py")],
        env=python_env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin and program.stdout
        assert program.stdout.readline() == "Process calling\n"
        assert program.stdout.readline() == "Hello from the called process\n"
        assert the_process(client).record.argv[0] == "python3"
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.stdout.read() == "Press ENTER to exit "
        assert program.wait(LONG) == 0
    eventually(lambda: nothing_left(client), "the release")


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_programs(server: Any, code: int) -> None:
    done = python(SH, f"cat; echo error >&2; exit {code}", input="through\n")
    assert (done.stdout, done.stderr, done.returncode) == ("through\n", "error\n", code)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGKILL,
        signal.SIGSEGV,
        signal.SIGPIPE,
        signal.SIGTERM,
        signal.SIGRTMIN + 5,
    ],
)
def test_the_signal_is_the_programs(server: Any, tmp_path: Path, number: int) -> None:
    code = (
        f"import os, signal, procctl; signal.signal({int(number)}, signal.SIG_DFL); "
        if number not in (9,)
        else "import procctl; "
    )
    (tmp_path / "empty").mkdir()
    done = python(
        code + "procctl.execvp('sh', ['sh', '-c', 'ulimit -c 0; kill -%d $$'])" % number, cwd=tmp_path / "empty"
    )
    assert done.returncode == -number
    assert list((tmp_path / "empty").iterdir()) == []


def test_nothing_of_the_caller_runs_on(server: Any) -> None:
    done = python("""
import atexit, sys, threading, procctl
atexit.register(print, "atexit", file=sys.stderr)
class Closing:
    def __del__(self): print("del", file=sys.stderr)
closing = Closing()
def chatter():
    while True: sys.stderr.write("thread\\n")
sys.stdout.write("in a buffer")
started = threading.Event()
def wait_then_chatter():
    started.set()
    go.wait()
    chatter()
go = threading.Event()
threading.Thread(target=wait_then_chatter).start()
started.wait()
threading.Timer(0.2, go.set).start()
try:
    procctl.execvp("sleep", ["sleep", "0.5"])
finally:
    print("finally", file=sys.stderr)
""")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_from_a_thread(server: Any) -> None:
    done = python("""
import threading, procctl
thread = threading.Thread(target=lambda: procctl.execvp("sh", ["sh", "-c", "echo out; exit 5"]))
thread.start()
thread.join()
print("Good Bye!!")
""")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "", 5)


@pytest.mark.parametrize(
    "call, kind, filename",
    [
        ("procctl.execvp('no-such-program', ['x'])", FileNotFoundError, "no-such-program"),
        ("procctl.execvpe('no-such-program', ['x'], {'PATH': '/usr/bin'})", FileNotFoundError, "no-such-program"),
        ("procctl.execv('/no/such/program', ['x'])", FileNotFoundError, "/no/such/program"),
        ("procctl.execve('/etc/passwd', ['x'], {})", PermissionError, "/etc/passwd"),
        ("procctl.execv('sh', ['sh'])", FileNotFoundError, "sh"),
    ],
)
def test_a_failed_start_leaves_the_caller_unharmed(server: Any, call: str, kind: type, filename: str) -> None:
    done = python(
        f"""
import os, signal, sys, procctl
before = sorted(os.listdir("/proc/self/fd")), signal.pthread_sigmask(signal.SIG_BLOCK, ())
try:
    {call}
except OSError as error:
    print(type(OSError(error.errno, "")).__name__, isinstance(error, {kind.__name__}), error.filename, error.strerror)
after = sorted(os.listdir("/proc/self/fd")), signal.pthread_sigmask(signal.SIG_BLOCK, ())
print(before == after, sys.stdin.read())
""",
        input="still here",
    )
    strerror = os.strerror(errno.ENOENT if kind is FileNotFoundError else errno.EACCES)
    assert done.stdout == f"{kind.__name__} True {filename} {strerror}\nTrue still here\n", done.stderr


def test_arguments_are_checked_as_os_execvp_does(server: Any) -> None:
    for arguments, error in (
        ("'sh', []", "ValueError"),
        ("'sh', ['']", "ValueError"),
        ("'sh', 'sh'", "TypeError"),
        ("'sh', ['a\\0']", "ValueError"),
    ):
        for module in ("os", "procctl"):
            done = python(f"import os, procctl; {module}.execvp({arguments})")
            assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(error), (
                module,
                arguments,
                done.stderr,
            )


def test_no_server(tmp_path: Path) -> None:
    done = python("import procctl; procctl.execvp('true', ['true'])", env={"PROCCTL_SOCKET": str(tmp_path / "none")})
    assert done.returncode == 1 and "ServerNotRunning: no server listens on" in done.stderr


def _probe(prepare: str, **options: Any) -> "tuple[Dict[str, Any], Dict[str, Any]]":
    """What a program sees that was started by procctl's execvp, and by os's."""
    found = []
    for module in ("procctl", "os"):
        done = python(
            f"import os, signal, sys, procctl\n{prepare}\n"
            f"{module}.execvp({sys.executable!r}, ['probe', '-S', {PROBE!r}, '', 'argument'])",
            **options,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    return found[0], found[1]


def test_the_program_sees_what_os_execvp_shows_it(server: Any, tmp_path: Path) -> None:
    ours, theirs = _probe(
        """
os.umask(0o051)
os.environ["ADDED"] = "by the caller"
os.environb[b"BYTES"] = b"\\xff"
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN + 1])
kept = os.open(os.devnull, os.O_RDONLY)
os.dup2(kept, 77, inheritable=True)
""",
        cwd=tmp_path,
    )
    for same in ("argv", "cwd", "umask", "blocked", "ignored", "uid", "gid"):
        assert ours[same] == theirs[same], same
    assert sorted(ours["environment"]) == sorted(theirs["environment"])
    assert ours["descriptors"].keys() == theirs["descriptors"].keys()
    assert ours["descriptors"]["77"] == os.devnull
    assert base64.b64encode(b"BYTES=\xff").decode() in ours["environment"]


def test_closed_streams_of_the_caller(server: Any) -> None:
    ours, _ = _probe("os.close(0)")
    assert ours["descriptors"]["0"] == os.devnull
    done = python(
        "import os, procctl; os.close(0); os.close(2); procctl.execvp('sh', ['sh', '-c', 'echo out; exit 4'])"
    )
    assert (done.stdout, done.returncode) == ("out\n", 4)


def test_path_is_searched_as_os_execvpe_does(server: Any, tmp_path: Path) -> None:
    for name, text, mode in (
        ("one", "#!/bin/sh\nexit 11\n", 0o644),
        ("two", "#!/bin/sh\nexit 12\n", 0o755),
        ("here", "#!/bin/sh\nexit 13\n", 0o755),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "prog").write_text(text)
        (tmp_path / name / "prog").chmod(mode)
    for path, expected in (
        ("one:two", 12),
        ("two:here", 12),
        ("", 13),
        ("/nowhere:", 13),
        ("one:/nowhere", "PermissionError"),
    ):
        if path != "" and path != "/nowhere:":
            path = ":".join(str(tmp_path / part) for part in path.split(":"))
        for module in ("procctl", "os"):
            done = python(
                f"import os, sys, procctl; {module}.execvpe('prog', ['prog'], {{'PATH': {path!r}}})",
                cwd=tmp_path / "here",
            )
            assert done.returncode == (expected if isinstance(expected, int) else 1), (module, path, done.stderr)
            assert isinstance(expected, int) or expected in done.stderr


def test_a_pipe_ends_when_the_program_closes_it(server: Any) -> None:
    with caller(SH, "exec >&-; read line; exit 6") as program:
        assert program.stdin and program.stdout
        assert program.stdout.read() == ""
        program.stdin.write("go\n")
        program.stdin.close()
        assert program.wait(LONG) == 6


def test_a_reader_that_goes_away_is_the_programs_affair(server: Any) -> None:
    with caller(
        "import signal, procctl; signal.signal(signal.SIGPIPE, signal.SIG_DFL); procctl.execvp('yes', ['yes'])"
    ) as program:
        assert program.stdout
        assert program.stdout.readline() == "y\n"
        program.stdout.close()
        assert program.wait(LONG) == -signal.SIGPIPE


def test_a_close_on_exec_pipe_of_the_caller_is_closed(server: Any) -> None:
    reading, writing = os.pipe()
    code = f"import os; os.set_inheritable({writing}, False); {EXEC_SH}"
    with caller(code, pass_fds=[writing]) as program:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b""
        assert program.poll() is None
        program.communicate("go\n", timeout=LONG)
        assert program.returncode == 6


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGWINCH,
        signal.SIGRTMIN + 4,
    ],
)
def test_signals_to_the_caller_are_the_programs(server: Any, number: int) -> None:
    with caller(SH, f"trap 'echo caught; exit 9' {int(number)}; echo ready; while :; do sleep 0.01; done") as program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        assert program.stdout.read() == "caught\n"
        assert program.wait(LONG) == 9


def test_a_signal_nobody_catches_ends_both(client: procctl.Client) -> None:
    with caller(SH, "echo ready; exec sleep 1000") as program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        program.terminate()
        assert program.wait(LONG) == -signal.SIGTERM
    eventually(lambda: nothing_left(client), "the release")


def test_ignored_signals_stay_ignored(server: Any) -> None:
    code = "import signal, procctl; signal.signal(signal.SIGHUP, signal.SIG_IGN); procctl.execvp('cat', ['cat'])"
    with caller(code) as program:
        assert program.stdin and program.stdout
        program.stdin.write("ready\n")
        program.stdin.flush()
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGHUP)
        assert program.communicate("still\n", timeout=LONG)[0] == "still\n"
        assert program.returncode == 0


def test_stop_and_continue(client: procctl.Client) -> None:
    with caller(SH, "echo ready; read line; exit 8", start_new_session=False, preexec_fn=os.setpgrp) as program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        process = the_process(client)
        program.send_signal(signal.SIGTSTP)
        eventually(lambda: process.state == "stopped", "the program's stop")
        eventually(
            lambda: Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T",
            "the caller's stop",
        )
        program.send_signal(signal.SIGCONT)
        eventually(lambda: process.state == "running", "the program's continuing")
        program.communicate("go\n", timeout=LONG)
        assert program.returncode == 8


def test_a_caller_that_is_killed_takes_the_program_along(client: procctl.Client) -> None:
    with caller(SH, "echo ready; exec sleep 1000") as program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        process = the_process(client)
        program.kill()
        program.wait(LONG)
    assert process.wait(LONG).signal == signal.SIGTERM and process.record.reason == "connection"


def test_a_server_that_is_killed_is_reported(server: Any) -> None:
    with caller(SH, "echo $$; exec sleep 1000") as program:
        assert program.stdout
        pid = int(program.stdout.readline())
        eventually(lambda: b"_standin" in Path(f"/proc/{program.pid}/cmdline").read_bytes(), "the stand-in")
        server.kill()
        assert program.wait(LONG) == 125
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
        assert program.stderr and "connection to the server was lost" in program.stderr.read()


def test_without_an_interpreter_the_caller_itself_stands_in(server: Any) -> None:
    embedded = "import sys, procctl; sys.executable = None; procctl.execvp('sh', ['sh', '-c', sys.argv[1]])"
    assert python(embedded, "exit 7").returncode == 7
    assert python(embedded, "kill -TERM $$").returncode == -signal.SIGTERM
    thread = (
        "import sys, threading, procctl; sys.executable = None; "
        "t = threading.Thread(target=procctl.execvp, args=('sh', ['sh', '-c', sys.argv[1]])); t.start(); t.join()"
    )
    assert python(thread, "sleep 0.1; exit 7").returncode == 7
    assert python(thread, "kill -TERM $$").returncode == 128 + signal.SIGTERM
    with caller(embedded, "trap 'exit 9' INT; echo ready; while :; do sleep 0.01; done") as program:
        assert program.stdout
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGINT)
        assert program.wait(LONG) == 9


def test_modules_beside_the_caller_do_not_get_in_the_way(server: Any, tmp_path: Path) -> None:
    for name in ("json.py", "signal.py", "select.py", "fcntl.py", "resource.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    code = (
        f"import procctl, os; os.chdir({str(tmp_path)!r}); os.environ['PYTHONPATH'] = {str(tmp_path)!r}; "
        "procctl.execvp('sh', ['sh', '-c', 'exit 3'])"
    )
    done = python(code)
    assert (done.stderr, done.returncode) == ("", 3)


def test_too_many_descriptors(server: Any) -> None:
    done = python("""
import os, procctl
for number in range(100, 360): os.dup2(0, number)
try:
    procctl.execvp("true", ["true"])
except procctl.LimitReached as error:
    print(error.maximum)
""")
    assert done.stdout == "253\n", done.stderr
