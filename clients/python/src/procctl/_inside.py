# SPDX-License-Identifier: Apache-2.0
"""``execvp`` of a program that is under the server's care itself: its own process is replaced, as by execve(2).

No stand-in is needed: pid, parent and descriptors stay, and the server's record of the process goes on.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from . import _caller
from ._spawn import add_environment, argv_to_wire, file_to_wire
from ._transport import Transport
from ._values import BytesLike
from .errors import ProtocolError, WrongState


def replace_self(
    transport: Transport,
    candidates: List[BytesLike],
    argv: Sequence[BytesLike],
    env: Optional[Mapping[Any, Any]],
    timeout: float,
) -> None:
    """Have the server replace this process. Return only if it is none of the server's own: it knows that by the pid.
    PROCCTL_PROCESS would not tell, which all descendants of a process inherit.
    """
    params: Dict[str, Any] = {
        "from_inside": True,
        "argv": argv_to_wire(argv),
        "file": file_to_wire(candidates),
        "signals": "inherit",
    }
    add_environment(params, env, None, default=_caller.environment)
    try:
        # The answer to success has nobody to read it: this program is gone, and with it its end of the connection.
        transport.request("exec-replace", params, timeout=timeout)
    except WrongState as error:
        if error.data.get("reason") == "not_inside":
            return
        raise
    raise ProtocolError("the server answered where silence was due")
