# SPDX-License-Identifier: Apache-2.0
"""Client of procctl: spawn, exec-replace, wait for and kill programs through a small JSON-RPC server.

Quick start::

    import procctl

    with procctl.connect() as client:
        process = client.spawn(["sh", "-c", "echo hi; exit 3"])
        print(process.wait().returncode, b"".join(process.output()))
"""

from ._exec import execv, execve, execvp, execvpe
from ._path import socket_path
from .client import Client, connect
from .errors import (
    AlreadyExited,
    ConnectionLost,
    ExecError,
    InvalidParams,
    LimitReached,
    MethodNotFound,
    NameTaken,
    NoSuchProcess,
    NotPermitted,
    NotSupported,
    OutputLost,
    ProcctlError,
    ProtocolError,
    RequestCancelled,
    ServerNotRunning,
    SpawnError,
    StartError,
    StreamClosed,
    SubscriptionEnded,
    TimedOut,
    WrongState,
)
from .events import Continued, Drained, Event, Exited, Gap, Replaced, Started, Stopped
from .options import SERVER, File, Lease, Output, Signals, SpawnOptions, Stop, Terminal
from .process import Process
from .record import Arrival, Chunk, Exit, Info, KillResult, Record, Usage, WaitResult, WriteResult
from .subscription import Subscription

__version__ = "0.1.0"

__all__ = [
    "SERVER",
    "AlreadyExited",
    "Arrival",
    "Chunk",
    "Client",
    "ConnectionLost",
    "Continued",
    "Drained",
    "Event",
    "ExecError",
    "Exit",
    "Exited",
    "File",
    "Gap",
    "Info",
    "InvalidParams",
    "KillResult",
    "Lease",
    "LimitReached",
    "MethodNotFound",
    "NameTaken",
    "NoSuchProcess",
    "NotPermitted",
    "NotSupported",
    "Output",
    "OutputLost",
    "Process",
    "ProcctlError",
    "ProtocolError",
    "Record",
    "Replaced",
    "RequestCancelled",
    "ServerNotRunning",
    "Signals",
    "SpawnError",
    "SpawnOptions",
    "StartError",
    "Stop",
    "Started",
    "Stopped",
    "StreamClosed",
    "Subscription",
    "SubscriptionEnded",
    "Terminal",
    "TimedOut",
    "Usage",
    "WaitResult",
    "WriteResult",
    "WrongState",
    "connect",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "socket_path",
]
