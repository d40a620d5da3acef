# SPDX-License-Identifier: Apache-2.0
"""Putting our Popen in the place of the standard one: in a module of our own that is like the standard one, and in the
standard one itself.
"""

from __future__ import annotations

import subprocess as _standard
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Dict

from ..options import SpawnOptions
from . import loops
from .popen import Popen, Standard

if TYPE_CHECKING:
    from typing_extensions import Unpack


def install(**options: "Unpack[SpawnOptions]") -> None:
    """Make the standard module's Popen ours, for all of this process. ``options`` go to every start that is not given
    others.
    """
    Popen.default_options = options
    _standard.Popen = Popen  # type: ignore[misc]


def uninstall() -> None:
    """Undo ``install``. Processes that were started go on as they are."""
    Popen.default_options = {}
    _standard.Popen = Standard  # type: ignore[misc]


class _Furnished(ModuleType):
    """What the standard classes look up by name, they look up in the standard module: what is set here is set there
    too, unless it is something of our own.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in vars(_standard) and name not in vars(self)[_OWN]:
            setattr(_standard, name, value)


_OWN = "_own"


def furnish(name: str) -> None:
    """Give a module all that the standard one has and it has not, the functions with our Popen in them."""
    module = sys.modules[name]
    names = vars(module)
    names[_OWN] = {*names, _OWN}
    for key, value in vars(_standard).items():
        if key in names:
            continue
        if isinstance(value, FunctionType) and value.__module__ == _standard.__name__:
            names[key] = _rebound(value, names)
            names[_OWN].add(key)
        else:
            names[key] = value
    module.__class__ = _Furnished
    loops.follow()


def _rebound(function: FunctionType, names: Dict[str, Any]) -> FunctionType:
    """A function that looks its names up elsewhere."""
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__dict__.update(function.__dict__)
    copy.__doc__, copy.__annotations__ = function.__doc__, function.__annotations__
    copy.__qualname__, copy.__module__ = function.__qualname__, names["__name__"]
    return copy
