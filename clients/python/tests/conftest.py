# SPDX-License-Identifier: Apache-2.0
"""A server of its own for each test that asks for one, and a look afterwards at whether anything was left behind."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import hypothesis
import pytest
from support import LONG, eventually, procctld

import procctl


# A busy machine makes nothing wrong.
hypothesis.settings.register_profile("procctl", deadline=None)
hypothesis.settings.load_profile("procctl")


class Server:
    """A running procctld."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self.path = str(directory / "socket")
        self.log = directory / "log"
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(
                [procctld(), "--socket", self.path], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(self._listens, "the server's listening")

    def _listens(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"the server ended with {self.popen.returncode}: {self.log.read_text()}")
        try:
            procctl.connect(self.path, autostart=False).close()
        except procctl.ServerNotRunning:
            return False
        return True

    def kill(self) -> None:
        """End it as a crash would."""
        self.popen.kill()
        self.popen.wait(LONG)

    def close(self) -> None:
        """End its processes and it; it has to end well."""
        if self.popen.poll() is not None:
            return
        with procctl.connect(self.path, autostart=False) as client:
            client.kill("all", "KILL", wait=True, timeout=LONG)
        self.popen.terminate()
        assert self.popen.wait(LONG) == 0, self.log.read_text()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of the user's may come into play, and none may be started unasked."""
    for name in ("PROCCTL_SOCKET", "PROCCTL_IDLE_EXIT_MS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROCCTL_NO_AUTOSTART", "1")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty directory with a name so short that a socket's path in it stays below 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="procctl-") as name:
        yield Path(name)


@pytest.fixture
def server(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server; $PROCCTL_SOCKET names its socket."""
    running = Server(short_path / "run")
    monkeypatch.setenv("PROCCTL_SOCKET", running.path)
    try:
        yield running
        running.close()
    finally:
        if running.popen.poll() is None:
            running.kill()


@pytest.fixture
def client(server: Server) -> Iterator[procctl.Client]:
    """A client of that server."""
    with procctl.connect() as connected:
        yield connected


@pytest.fixture
def as_root() -> bool:
    """Whether the tests run as root."""
    return os.geteuid() == 0
