# SPDX-License-Identifier: Apache-2.0
"""exec-replace of a connection: the program takes its place, and this process speaks to it directly, with no server in
between.
"""

from __future__ import annotations

import socket
from typing import Any, Dict

from ._descriptors import Descriptors
from ._spawn import spawn_params
from ._transport import Transport
from .errors import ConnectionLost, ProtocolError
from .options import Argv, SpawnOptions


def take_over(transport: Transport, argv: Argv, options: SpawnOptions, timeout: float) -> socket.socket:
    """Replace a connection that serves nothing else by a program; return the socket that is its stdin and stdout.

    The server is silent when the program has started, and on the connection itself silence could not be told from a
    program that waits for its first input. So the program is given one end of a pair of sockets, and the connection's
    end is the news that it runs.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs, Descriptors() as descriptors:
            streams: Dict[str, Any] = {"stdin": theirs, "stdout": theirs, **options}
            params = spawn_params(descriptors, argv, streams)  # type: ignore[arg-type]
            params["connection"] = True
            transport.request("exec-replace", params, descriptors.numbers, timeout)
        raise ProtocolError("the server answered where silence was due")
    except ConnectionLost:
        return ours
    except BaseException:
        ours.close()
        raise
    finally:
        transport.close()
