# SPDX-License-Identifier: Apache-2.0
"""What a client knows of its server before it speaks to it."""

from __future__ import annotations

import os
from typing import Optional

from ._path import resolve
from ._values import BytesLike
from .errors import ConnectionLost


class Endpoint:
    """A socket, and how to connect to it."""

    instance: str
    """The server's own id: an id of a process means something only together with it."""

    def __init__(self, path: Optional[BytesLike], autostart: bool, timeout: float) -> None:
        self._path = resolve(path)
        self._autostart = autostart
        self._timeout = timeout
        self._closed = False

    @property
    def path(self) -> str:
        """The server's socket."""
        return os.fsdecode(self._path)

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionLost("the client is closed")

    def __repr__(self) -> str:
        name = type(self).__module__.rpartition(".")[0]
        return f"<{name}.Client {self.path}{' closed' if self._closed else ''}>"
