# SPDX-License-Identifier: Apache-2.0
"""asyncio's own functions with our Popen: where its event loops find ours in the place of the standard one, they watch
its socket instead of waiting for a child.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Optional, Sequence

from .popen import Popen

_LOOPS = "asyncio.unix_events"


def follow() -> None:
    """Have asyncio follow, now or once it is imported: who does not use it need not wait for its import."""
    module = sys.modules.get(_LOOPS)
    if module is None:
        sys.meta_path.insert(0, _Finder())
    else:
        _adapt(module)


class _Finder:
    """Finds asyncio's loops where they are, and adapts them when they have been imported."""

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if name != _LOOPS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _adapt(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _adapt(module: Any) -> None:
    """Which Popen it is, is asked at each start: it may be installed and uninstalled."""
    standard = module._UnixSelectorEventLoop._make_subprocess_transport

    async def make(loop: Any, *args: Any, **kwargs: Any) -> Any:
        popen = module.subprocess.Popen
        if isinstance(popen, type) and issubclass(popen, Popen):
            from ..aio.subprocess import connect

            return await connect(loop, *args, **kwargs)
        return await standard(loop, *args, **kwargs)

    module._UnixSelectorEventLoop._make_subprocess_transport = make
