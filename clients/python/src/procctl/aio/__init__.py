# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio, without a thread::

    from procctl import aio

    async with await aio.connect() as client:
        process = await client.spawn(["sh", "-c", "echo hi; exit 3"])
        async for data in process.output():
            print(data)
        print((await process.wait()).returncode)

The methods, their arguments, results and errors are those of ``procctl.Client`` and ``procctl.Process``. Cancelling a
task cancels its request at the server. A client belongs to the loop it was made in.
"""

from .client import Client, connect
from .process import Process
from .subprocess import create_subprocess_exec, create_subprocess_shell
from .subscription import Subscription

__all__ = ["Client", "Process", "Subscription", "connect", "create_subprocess_exec", "create_subprocess_shell"]
