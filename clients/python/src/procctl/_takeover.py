# SPDX-License-Identifier: Apache-2.0
"""exec-replace of a connection: the program takes its place, and this process speaks to it directly, with no server in
between.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Dict

from ._descriptors import Descriptors
from ._requests import SLACK, START_TIMEOUT
from ._spawn import spawn_params
from ._steps import Request, Steps
from .errors import ConnectionLost, ProtocolError
from .options import Argv, SpawnOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack


def exec_replace_connection(argv: Argv, **options: Unpack[SpawnOptions]) -> Steps[socket.socket]:
    """Have a program take the place of a new connection, and return the socket that is its stdin and stdout.

    With asyncio it is a socket that does not block, as ``asyncio.open_connection(sock=…)`` and the loop's own methods
    want it.
    """
    # The server is silent when the program has started, and on the connection itself silence could not be told from a
    # program that waits for its first input. So the program is given one end of a pair of sockets, and the connection's
    # end is the news that it runs.
    ours, theirs = socket.socketpair()
    try:
        with theirs, Descriptors() as descriptors:
            streams: Dict[str, Any] = {"stdin": theirs, "stdout": theirs, **options}
            params = spawn_params(descriptors, argv, streams)  # type: ignore[arg-type]
            params["connection"] = True
            timeout = (options.get("start_timeout") or START_TIMEOUT) + SLACK
            yield Request("exec-replace", params, descriptors.numbers, timeout)
        raise ProtocolError("the server answered where silence was due")
    except ConnectionLost:
        return ours
    except BaseException:
        ours.close()
        raise
