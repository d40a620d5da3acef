# SPDX-License-Identifier: Apache-2.0
"""Full-screen and interactive programs inside `procctl run` and after `attach`, in a real terminal emulator."""

import os
import signal

import procfs
import pytest
import wire
from cli_support import cli  # noqa: F401
from tmux import Tmux


@pytest.fixture
def window(cli):
    with Tmux(cli.environment) as window:
        window.calm = window.settings()
        yield window


def has_ended(window, status=0):
    """The prompt is back, the terminal and its screen are as they were found."""
    window.until("^st=%d$" % status)
    assert window.settings() == window.calm
    assert (window.state("alternate_on"), window.state("cursor_flag")) == ("0", "1")
    assert window.state("mouse_any_flag") == "0"


def test_vim_in_run(window, tmp_path):
    window.procctl('run vim -u NONE -N -n %s/text' % tmp_path)
    window.until("^~")
    assert window.state("alternate_on") == "1" and len(window.screen()) >= 23
    window.keys("i")
    window.until("-- INSERT --")
    window.type("héllo 日本")
    window.keys("Escape")
    window.until("^héllo 日本")
    window.resize(12, 50)
    wire.wait_until(lambda: sum(line.startswith("~") for line in window.screen()) == 10, what="vim to draw anew")
    window.command(":wq")
    has_ended(window)
    assert (tmp_path / "text").read_text() == "héllo 日本\n"


def test_vim_after_attach(window, cli, tmp_path):
    process = cli("spawn", "--pty", "--", "vim", "-u", "NONE", "-N", "-n", str(tmp_path / "text")).strip()
    window.procctl('attach %s' % process)
    window.until("^~")
    window.keys("i")
    window.until("-- INSERT --")
    window.type("one")
    window.until("^one")
    window.keys("C-]", "C-]", "C-]")
    has_ended(window)
    window.resize(18, 60)
    window.procctl('attach %s' % process)
    window.until("^one")
    wire.wait_until(lambda: sum(line.startswith("~") for line in window.screen()) == 16, what="vim to draw anew")
    window.keys("Escape")
    window.command(":wq")
    has_ended(window)
    # What the window answered to vim's questions, asked twice, is not in the text; ^] itself is vim's when typed.
    assert (tmp_path / "text").read_text().startswith("one")
    assert "\x1b" not in (tmp_path / "text").read_text() and "[" not in (tmp_path / "text").read_text()


def show(window, cli, attach, *program):
    """A program in the window: run there, or spawned elsewhere and attached to."""
    if attach:
        window.procctl("attach %s" % cli("spawn", "--pty", *program).strip())
    else:
        window.procctl("run " + " ".join(program))


@pytest.mark.parametrize("attach", [False, True])
def test_less(window, cli, tmp_path, attach):
    (tmp_path / "lines").write_text("".join("line %d\n" % n for n in range(1, 501)))
    show(window, cli, attach, "less", "%s/lines" % tmp_path)
    window.until("^line 23$")
    window.keys("Space")
    window.until("^line 46$")
    window.type("/line 400")
    window.keys("Enter")
    window.until("^line 400$")
    window.resize(10, 40)
    wire.wait_until(lambda: len(window.screen()) == 10 and "line 400" in window.screen(), what="less to draw anew")
    window.keys("q")
    has_ended(window)


@pytest.mark.parametrize("attach", [False, True])
def test_python(window, cli, attach):
    show(window, cli, attach, "python3", "-q")
    window.until("^>>>")
    window.command("6 * 7")
    window.until("^42$")
    window.keys("Up")
    window.until("^>>> 6 . 7")
    window.keys("Enter")
    window.command("import time; time.sleep(1000)")
    window.until("sleep.1000.$")
    window.keys("C-c")
    window.until("^KeyboardInterrupt")
    window.command("raise SystemExit(3)")
    has_ended(window, 3)


@pytest.mark.parametrize("attach", [False, True])
def test_a_new_size_arrives(window, cli, attach):
    show(window, cli, attach, "env", "PS1=inner:", "sh")
    window.until("^inner:")
    window.command("stty size")
    window.until("^24 80$")
    window.resize(17, 66)
    window.command("clear; stty size")
    window.until("^17 66$")
    window.command("exit 5")
    has_ended(window, 5)


@pytest.mark.parametrize("attach", [False, True])
def test_control_c_ends_what_is_in_the_foreground(window, cli, attach):
    show(window, cli, attach, "env", "PS1=inner:", "bash", "--norc", "--noprofile")
    window.until("^inner:")
    window.command("(echo be''gun; exec sleep 1000)")
    window.until("^begun")
    window.keys("C-c")
    window.command("echo inner=$?; (echo ag''ain; exec sleep 1000)")
    window.until("^inner=130")
    window.until("^again")
    window.keys("C-z")
    window.until("Stopped")
    window.command("kill -9 %1; sleep 0.1")
    window.until("Killed")
    window.command("exit 3")
    has_ended(window, 3)


def test_a_mouse_and_a_hidden_cursor_are_not_left_behind(window):
    script = r"printf '\033[?1049h\033[?25l\033[?1000h\033[?2004h\033=begun'; exec sleep 1000"
    window.procctl('run --name some sh -c "%s"' % script)
    window.until("^begun")
    assert (window.state("cursor_flag"), window.state("alternate_on")) == ("0", "1")
    window.keys("C-c")
    has_ended(window, 130)


def test_settings_changed_while_it_was_stopped_stay(window):
    """What it gives back at its end is what it found when it went on, not what there was at its beginning."""
    window.command("PS1='inner: ' sh -i")
    window.until("^inner:")
    window.command('"$procctl" run sh -c "echo begun; exec cat"')
    window.until("^begun")
    window.keys("C-z")
    window.until("Stopped")
    window.command("stty intr ^X; fg")
    window.command("two")
    wire.wait_until(lambda: window.screen().count("two") == 2)
    window.keys("C-d")
    window.command("stty -a | grep intr; stty intr ^C; exit; echo st=$?")
    window.until(r"intr = \^X")
    window.until("^(inner: )?ready>")
    assert window.settings() == window.calm


def test_stopped_by_a_signal_that_none_can_take(window):
    """The shell takes its terminal back from a job that SIGSTOP stopped; when it goes on, the keys are the program's again."""
    window.procctl("run sh -c 'echo begun; exec cat'")
    window.until("^begun")
    (client,) = procfs.children(int(window.state("pane_pid")))
    os.kill(client, signal.SIGSTOP)
    window.until("Stopped")
    wire.wait_until(lambda: "-isig" not in window.settings(), what="the shell to take its terminal back")
    window.command("fg; echo st=$?")
    wire.wait_until(lambda: "-isig" in window.settings(), what="raw mode")
    window.command("two")
    wire.wait_until(lambda: window.screen().count("two") == 2)
    window.keys("C-d")
    has_ended(window)
