# SPDX-License-Identifier: Apache-2.0
"""Where the socket is, and whom this client talks to. Needs no procctld."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

import procctl
from procctl import _connect, _path


@pytest.mark.parametrize(
    "environ, uid, expected",
    [
        ({"PROCCTL_SOCKET": "/x/y", "XDG_RUNTIME_DIR": "/run/user/5"}, 5, "/x/y"),
        ({"PROCCTL_SOCKET": "", "XDG_RUNTIME_DIR": "/run/user/5"}, 5, "/run/user/5/procctl/socket"),
        ({"XDG_RUNTIME_DIR": "relative"}, 5, "/tmp/procctl-5/socket"),
        ({"XDG_RUNTIME_DIR": "/run/user/0"}, 0, "/run/user/0/procctl/socket"),
        ({}, 0, "/run/procctl/socket"),
        ({}, 1000, "/tmp/procctl-1000/socket"),
    ],
)
def test_the_rule(environ: Any, uid: int, expected: str) -> None:
    assert procctl.socket_path(environ, uid) == expected


def test_relative_paths_are_made_absolute(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(short_path)
    assert _path.resolve("socket") == os.fsencode(short_path / "socket")


def test_a_path_that_fits_no_socket_address_is_a_clear_error() -> None:
    assert _path.resolve("/" + "x" * 106)
    with pytest.raises(procctl.ProcctlError, match="108 bytes, at most 107"):
        _path.resolve("/" + "x" * 107)


def test_nobody_listens(short_path: Path) -> None:
    for path in (short_path / "socket", short_path / "no" / "directory", short_path / "stale"):
        if path.name == "stale":
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(str(path))
        with pytest.raises(procctl.ServerNotRunning, match="no server listens on") as caught:
            procctl.connect(path, autostart=False)
        assert isinstance(caught.value, ConnectionError)
        assert caught.value.kind == "server_not_running"


def _foreign(monkeypatch: pytest.MonkeyPatch, name: str, **changed: int) -> None:
    """Have a look at a file show another owner."""
    real = getattr(os, name)

    def look(path: Any, **options: Any) -> os.stat_result:
        found = list(real(path, **options))
        found[stat.ST_UID] = changed["uid"]
        return os.stat_result(found)

    monkeypatch.setattr(_path.os, name, look)


@pytest.mark.parametrize("look", ["stat", "lstat"])
def test_a_directory_of_somebody_else_is_refused(look: str, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "socket"))
        listening.listen()
        listening.setblocking(False)
        _foreign(monkeypatch, look, uid=os.geteuid() + 4711)
        with pytest.raises(procctl.NotPermitted, match="belongs to uid") as caught:
            procctl.connect(short_path / "socket", autostart=False)
        assert isinstance(caught.value, PermissionError)
        monkeypatch.undo()
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_server_of_somebody_else_hears_nothing(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "socket"))
        listening.listen()
        real = os.geteuid()
        monkeypatch.setattr(_connect, "check_directory", lambda path: None)
        monkeypatch.setattr(_path.os, "geteuid", lambda: real + 4711)
        if real == 0:
            # Root's server is trusted by everybody; so let the credentials name somebody else.
            monkeypatch.setattr(_path.struct, "unpack", lambda *_: (1, 4712, 4712))
        with pytest.raises(procctl.NotPermitted, match="runs as uid"):
            procctl.connect(short_path / "socket", autostart=False)
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1) == b""


def test_a_server_that_cuts_off_is_tried_again_for_a_while(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "socket"))
        listening.listen()
        import threading

        seen = []

        def cut_off() -> None:
            for _ in range(3):
                connection, _ = listening.accept()
                seen.append(1)
                connection.close()
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b'{"jsonrpc":"2.0","id":1,"result":{"instance":"here"}}\n')
                connection.recv(1000)

        thread = threading.Thread(target=cut_off)
        thread.start()
        with procctl.connect(short_path / "socket", autostart=False) as client:
            assert client.instance == "here"
        thread.join()
        assert len(seen) == 3


def test_a_server_that_never_answers_is_given_up(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "socket"))
        listening.listen()
        with pytest.raises(TimeoutError):
            procctl.connect(short_path / "socket", autostart=False, timeout=0.05)
