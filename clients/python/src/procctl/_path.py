# SPDX-License-Identifier: Apache-2.0
"""Where the server's socket is, and whether what listens there may be trusted.

Nothing is sent before both checks have passed: the socket's directory belongs to us or to root, and so does the server.
Else anyone could wait at a well-known name in /tmp for our environment and descriptors.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Mapping, Optional, Union

from ._values import BytesLike
from .errors import NotPermitted, ProcctlError

MAX_PATH = 107
"""Bytes of a socket's path: sun_path has 108, one is for the NUL (unix(7))."""


def socket_path(environ: Optional[Mapping[str, str]] = None, uid: Optional[int] = None) -> str:
    """The server's socket: $PROCCTL_SOCKET, $XDG_RUNTIME_DIR/procctl/socket, /run/procctl/socket for root,
    /tmp/procctl-UID/socket.
    """
    environ = os.environ if environ is None else environ
    uid = os.geteuid() if uid is None else uid
    named = environ.get("PROCCTL_SOCKET")
    if named:
        return named
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    # A relative one is to be ignored (XDG Base Directory Specification).
    if os.path.isabs(runtime):
        return os.path.join(runtime, "procctl", "socket")
    return "/run/procctl/socket" if uid == 0 else f"/tmp/procctl-{uid}/socket"


def resolve(path: Optional[BytesLike]) -> bytes:
    """The absolute path of the socket asked for, or of the one the rule gives; too long a one is an error here, not a
    riddle later.
    """
    absolute = os.path.abspath(os.fsencode(socket_path() if path is None else path))
    if len(absolute) > MAX_PATH:
        raise ProcctlError(
            f"socket path too long: {len(absolute)} bytes, at most {MAX_PATH} are possible "
            "(set PROCCTL_SOCKET to a shorter one): " + os.fsdecode(absolute)
        )
    return absolute


def check_directory(path: bytes) -> None:
    """Raise NotPermitted unless the socket's directory, and the link to it if it is one, belong to us or to root.

    A directory that is not there passes: there is no server either, and the server checks what it makes.
    """
    directory = os.path.dirname(path) or b"/"
    for look in (os.lstat, os.stat):
        try:
            owner = look(directory).st_uid
        except FileNotFoundError:
            return
        if owner not in (0, os.geteuid()):
            raise NotPermitted(
                f"refused: the socket's directory {os.fsdecode(directory)} belongs to uid {owner}, "
                "neither to us nor to root",
                0,
                {"kind": "not_permitted", "reason": "directory_owner", "path": os.fsdecode(directory), "uid": owner},
            )


def check_peer(connection: socket.socket, path: Union[str, bytes]) -> None:
    """Raise NotPermitted unless the server behind a connection runs as us or as root (SO_PEERCRED, unix(7))."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid not in (0, os.geteuid()):
        raise NotPermitted(
            f"refused: the server at {os.fsdecode(path)} runs as uid {uid}, neither as us nor as root",
            0,
            {"kind": "not_permitted", "reason": "server_uid", "path": os.fsdecode(path), "uid": uid},
        )
