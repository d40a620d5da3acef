# SPDX-License-Identifier: Apache-2.0
"""The engine of a start, without the server: what the program finds, and each step at which a start can fail."""

import errno
import fcntl
import os
import pty
import signal
import termios

import pytest
from launching import SESSIONS, Launch, failed, start
from support import NOBODY, ROOT, mask_of, unfold

pytestmark = pytest.mark.parametrize("way", [{}, {"shares_table": 1}, {"no_clone3": 1}], ids=["copy", "share", "clone"])


def probe(launcher, zoo, way, *words, **named):
    run = start(launcher, [zoo("probe"), *words], **way, **named)
    assert run.decision[:4] == ("exec", 0, 0, False) and run.end == ("code", 0), run
    return run.decision, unfold(run.output.encode())


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_an_exit_code(launcher, way, code):
    run = start(launcher, ["sh", "-c", "exit %d" % code], "/bin/sh", **way)
    assert (run.decision.failed, run.end) == (False, ("code", code))


def test_an_end_by_a_signal(launcher, way):
    run = start(launcher, ["sh", "-c", "kill -USR1 $$; exit 3"], "/bin/sh", **way)
    assert (run.decision.failed, run.end) == (False, ("signal", signal.SIGUSR1))


def test_what_it_finds(launcher, zoo, way):
    decision, seen = probe(launcher, zoo, way, "a b", "", "é", env=["A=1", "EMPTY=", "X=a=b"], cwd="/usr", umask="27")
    assert seen["argv"][1:] == [b"a b", b"", "é".encode()]
    assert seen["env"] == {b"A": b"1", b"EMPTY": b"", b"X": b"a=b"}
    assert (seen["pid"], seen["cwd"], seen["umask"]) == (decision.pid, b"/usr", 0o27)
    assert sorted(seen["fds"]) == ["0", "1", "2"] and seen["fds"]["0"]["target"] == "/dev/null"
    assert (seen["session"], seen["pgid"], seen["tty"]) == (decision.pid, decision.pid, False)
    assert seen["no_new_privs"] == (1 if "no_clone3" in way else 0)  # the filter's
    none = "%016x" % 0
    assert [seen[name] for name in ("SigBlk", "SigCgt", "SigPnd", "ShdPnd")] == [none] * 4


def test_signals_niceness_limits(launcher, zoo, way):
    ignored, blocked = mask_of(1, 13, 64), mask_of(15, 34)
    asked = {"ignored": "%x" % ignored, "blocked": "%x" % blocked, "nice": 7, "no_new_privs": 1}
    _, seen = probe(launcher, zoo, way, options=["limit=4:0:0", "limit=7:50:60"], **asked)
    assert int(seen["SigIgn"], 16) & ignored == ignored and int(seen["SigBlk"], 16) == blocked
    assert (seen["nice"], seen["no_new_privs"]) == (7, 1)
    assert (seen["rlimits"]["core"], seen["rlimits"]["nofile"]) == ([0, 0], [50, 60])


@pytest.mark.parametrize("session", SESSIONS)
def test_sessions(launcher, zoo, way, session):
    # That of the launcher, which is in our session and leads no group of its own.
    decision, seen = probe(launcher, zoo, way, session=SESSIONS[session], group=os.getpgrp())
    if session == "new":
        assert seen["session"] == seen["pgid"] == decision.pid
        return
    assert seen["session"] == os.getsid(0)
    if session == "apart":
        assert seen["pgid"] == decision.group and decision.group not in (0, decision.pid, os.getpgrp())
    else:
        assert seen["pgid"] == (decision.pid if session == "group" else os.getpgrp())


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_ids(launcher, zoo, way):
    _, seen = probe(launcher, zoo, way, uid=NOBODY, gid=4343, groups="4444,4545")
    assert (seen["uids"], seen["gids"], seen["groups"]) == ([NOBODY] * 3, [4343] * 3, [4444, 4545])


def test_descriptors_may_be_swapped(launcher, zoo, tmp_path, way):
    numbers = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT, 0o600) for name in "abc"]
    numbers += [fcntl.fcntl(numbers[0], fcntl.F_DUPFD_CLOEXEC, 700)]
    low, middle, high, far = numbers
    options = ["map=%d:%d" % pair for pair in ((low, middle), (middle, high), (high, far), (9, low))]
    if 9 in (low, middle, high):
        options.pop()
    _, seen = probe(launcher, zoo, way, descriptors=numbers, options=[*options, "copy=300:%d" % low])
    ends = {number: os.path.basename(seen["fds"][str(number)]["target"]) for number in (low, middle, high, 300)}
    assert ends == {low: "b", middle: "c", high: "a", 300: "b"}
    assert not any(entry["cloexec"] for entry in seen["fds"].values()) and str(far) not in seen["fds"]
    for number in numbers:
        os.close(number)


def test_files_are_opened_in_its_directory(launcher, tmp_path, way):
    (tmp_path / "input").write_text("in")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    number = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    named = {"descriptors": [number], "cwd_descriptor": number, "cwd": "/nowhere", "umask": "77"}
    options = ["file=0:0:input", "file=1:%d:output" % flags]
    assert start(launcher, ["cat"], "/bin/cat", options=options, **way, **named).end == ("code", 0)
    os.close(number)
    assert (tmp_path / "output").read_text() == "in" and (tmp_path / "output").stat().st_mode & 0o777 == 0o600


def test_a_terminal(launcher, zoo, way):
    ours, theirs = pty.openpty()
    options = ["map=%d:%d" % (target, theirs) for target in (0, 1, 2)]
    launch = Launch(launcher, [zoo("probe"), "--to=/proc/self/fd/7"], descriptors=[theirs], options=[*options, "copy=7:2"], terminal=0, **way)
    os.close(theirs)
    text = b""
    while not text.endswith(b"\n"):
        text += os.read(ours, 65536)
    assert launch.end()[0] == ("code", 0)
    os.close(ours)
    seen = unfold(text)
    assert seen["tty"] and seen["session"] == seen["pgid"] == launch.decision.pid


# Starts that fail.


@pytest.fixture
def unstartable(tmp_path):
    (tmp_path / "text").write_text("no program\n")
    (tmp_path / "text").chmod(0o755)
    (tmp_path / "orphan").write_text("#!/no/such/interpreter\n")
    (tmp_path / "orphan").chmod(0o755)
    (tmp_path / "plain").write_text("")
    return tmp_path


def decision_of(launcher, way, *words, **named):
    run = start(launcher, *words, **way, **named)
    assert run.output == "" and (not run.decision.failed or run.end == ("code", 127))
    return run.decision[:4]


def test_programs_that_cannot_be(launcher, unstartable, way):
    for name, number in {
        "/no/such": errno.ENOENT,
        "text/x": errno.ENOTDIR,
        ".": errno.EACCES,
        "plain": errno.EACCES,
        "text": errno.ENOEXEC,
        "orphan": errno.ENOENT,
        "x" * 300: errno.ENAMETOOLONG,
        "": errno.ENOENT,
    }.items():
        file = [str(unstartable / name) if name else ""]
        assert decision_of(launcher, way, ["program"], file) == failed("exec", number), name
    assert decision_of(launcher, way, ["true"], "/bin/true", env=["A=" + "x" * (100 << 10)])[3] is False


def test_the_search_is_execvps(launcher, unstartable, way):
    denied, text, true = str(unstartable), str(unstartable / "text"), "/bin/true"
    assert decision_of(launcher, way, ["true"], ["/no/such", denied, true])[3] is False
    assert decision_of(launcher, way, ["true"], ["/no/1", denied, "/no/2"]) == failed("exec", errno.EACCES, 1)
    assert decision_of(launcher, way, ["true"], ["/no/1", "/no/2"]) == failed("exec", errno.ENOENT, 1)
    assert decision_of(launcher, way, ["true"], ["/no/1", text, true]) == failed("exec", errno.ENOEXEC, 1)


def test_a_file_that_is_being_written(launcher, tmp_path, way):
    program = tmp_path / "busy"
    program.write_bytes(open("/bin/true", "rb").read())
    program.chmod(0o755)
    with open(program, "ab"):
        assert decision_of(launcher, way, ["busy"], str(program)) == failed("exec", errno.ETXTBSY)
    assert decision_of(launcher, way, ["busy"], str(program))[3] is False


def test_each_step_by_its_name(launcher, unstartable, way):
    plain = str(unstartable / "plain")
    null = os.open("/dev/null", os.O_RDWR)
    create = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    cases = [
        ({"cwd": "/no/such"}, "cwd", errno.ENOENT, 0),
        ({"cwd": plain}, "cwd", errno.ENOTDIR, 0),
        ({"cwd_descriptor": null, "descriptors": [null]}, "cwd", errno.ENOTDIR, 0),
        ({"options": ["file=0:0:/no/such"]}, "stdin", errno.ENOENT, 3),
        ({"options": ["file=1:%d:%s" % (create, plain)]}, "stdout", errno.EEXIST, 3),
        ({"options": ["file=2:1:/tmp"]}, "stderr", errno.EISDIR, 3),
        ({"options": ["file=9:0:%s/x" % plain]}, "fds", errno.ENOTDIR, 3),
        ({"options": ["limit=4:0:0", "limit=4:5:4"]}, "rlimits", errno.EINVAL, 1),
        ({"options": ["limit=99:0:0"]}, "rlimits", errno.EINVAL, 0),
        ({"session": SESSIONS["join"], "group": 1 << 29}, "session", errno.EPERM, 0),
        ({"terminal": 0}, "terminal", errno.ENOTTY, 0),
    ]
    for named, stage, number, index in cases:
        assert decision_of(launcher, way, ["true"], "/bin/true", **named) == failed(stage, number, index), named
    os.close(null)
    if not ROOT:
        for named, stage in [({"uid": 0}, "uid"), ({"gid": 0}, "gid"), ({"groups": "0"}, "groups")]:
            assert decision_of(launcher, way, ["true"], "/bin/true", **named) == failed(stage, errno.EPERM)


def test_many_leave_nothing_behind(launcher, way):
    for number in range(20):
        assert start(launcher, ["sh", "-c", "exit %d" % number], "/bin/sh", **way).end == ("code", number)


# Held children.


def test_it_waits_and_then_runs(launcher, way):
    launch = Launch(launcher, ["sh", "-c", "echo started; exit 5"], "/bin/sh", held=1, **way)
    assert launch.decision[:4] == ("gate", 0, 0, False)
    assert open("/proc/%d/comm" % launch.decision.pid).read() == "launcher\n"
    assert launch.order() is None
    assert launch.end() == (("code", 5), "started\n")


def test_another_program_in_its_place(launcher, zoo, tmp_path, way):
    launch = Launch(launcher, ["sh", "-c", "echo wrong"], "/bin/sh", held=1, cwd="/usr", **way)
    assert launch.order(argv=["y"], file="/no/such", cwd=str(tmp_path)) == ("exec", errno.ENOENT, 0)
    assert launch.order(argv=["y"], file="/bin/true", cwd="/no/such") == ("cwd", errno.ENOENT, 0)
    assert launch.order(argv=["y"], file=["/no/such", "/tmp"]) == ("exec", errno.EACCES, 1)
    named = {"env": ["A=1"], "cwd": str(tmp_path), "ignored": "1000", "blocked": "4000"}
    assert launch.order(argv=["other"], file=["/no/such", zoo("probe")], **named) is None
    end, output = launch.end()
    seen = unfold(output.encode())
    assert end == ("code", 0) and seen["pid"] == launch.decision.pid
    assert (seen["argv"], seen["env"], seen["cwd"]) == ([b"other"], {b"A": b"1"}, os.fsencode(tmp_path))
    assert (int(seen["SigIgn"], 16), int(seen["SigBlk"], 16)) == (0x1000, 0x4000)
    assert sorted(seen["fds"]) == ["0", "1", "2"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_acts_on_it(launcher, way, number):
    launch = Launch(launcher, ["sh", "-c", "echo wrong"], "/bin/sh", held=1, **way)
    os.kill(launch.decision.pid, number)
    assert launch.end() == (("signal", number), "")


def test_it_ends_with_its_server(launcher, way):
    launch = Launch(launcher, ["sh", "-c", "echo wrong"], "/bin/sh", held=1, **way)
    assert launch.end() == (("code", 125), "")
