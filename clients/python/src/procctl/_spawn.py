# SPDX-License-Identifier: Apache-2.0
"""From Python's arguments to the params of ``spawn``.

Like a child of this process, a program gets its cwd (as a descriptor: it may have no path), environment and umask,
unless told otherwise.
"""

from __future__ import annotations

import os
import resource
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from . import _caller
from ._descriptors import Descriptors
from ._values import BytesLike, environment_to_wire, milliseconds, to_wire
from .options import (
    SERVER,
    Argv,
    Default,
    Env,
    Files,
    HasFileno,
    Lifetime,
    Output,
    Signals,
    SpawnOptions,
    Stop,
    Terminal,
)


def spawn_params(descriptors: Descriptors, argv: Argv, options: SpawnOptions) -> Dict[str, Any]:
    """The params of ``spawn``; its descriptors are added to ``descriptors``."""
    for keyword in options:
        if keyword not in SpawnOptions.__annotations__:
            raise TypeError(f"unexpected keyword argument {keyword!r}")
    option: Callable[[str], Any] = options.get
    params: Dict[str, Any] = {
        "argv": argv_to_wire(argv),
        "file": _optional(option("file"), file_to_wire),
        "stdin": descriptors.stdio(option("stdin")),
        "stdout": descriptors.stdio(option("stdout")),
        "stderr": descriptors.stdio(option("stderr")),
        "groups": _optional(option("groups"), list),
        "rlimits": _optional(option("rlimits"), lambda limits: {key: _rlimit(value) for key, value in limits.items()}),
        "signals": _optional(option("signals"), lambda value: value.to_wire() if isinstance(value, Signals) else value),
        "labels": _optional(option("labels"), dict),
        "timeout_ms": _optional(option("timeout"), milliseconds),
        "stop": _optional(option("stop"), Stop.to_wire),
        "lifetime": lifetime_to_wire(option("lifetime")),
        "output": _optional(option("output"), Output.to_wire),
        "start_timeout_ms": _optional(option("start_timeout"), milliseconds),
        "pty": terminal_to_wire(option("pty")),
    }
    for same in ("user", "group", "nice", "no_new_privileges", "name", "hold"):
        params[same] = option(same)
    session = option("session")
    params["session"] = {"group": session} if isinstance(session, int) else session
    add_environment(params, option("env"), option("env_base"), default=_caller.environment)
    if params["pty"] is not None and option("env") is None and option("env_base") is None:
        # The caller's own terminal is another one, if it has one at all.
        params["env"] = environment_to_wire(_caller.variables(leave_out=b"TERM"))
    umask = option("umask")
    if umask is not SERVER:
        params["umask"] = _caller.umask() if umask is None else umask
    targets = {number_of(each): each for each in option("pass_fds") or ()}
    targets.update(option("fds") or {})
    if targets:
        params["fds"] = {str(target): descriptors.add(source) for target, source in targets.items()}
    cwd = option("cwd")
    if cwd is None:
        params["cwd"] = {"fd": descriptors.add_directory(".")}
    elif not isinstance(cwd, Default):
        params["cwd"] = cwd_to_wire(cwd, descriptors)
    return present(params)


def present(params: Mapping[str, Any]) -> Dict[str, Any]:
    """Params without the members that say nothing."""
    return {key: value for key, value in params.items() if value is not None}


def argv_to_wire(argv: Argv) -> List[Any]:
    """A program's arguments. One string is refused: it would be taken apart into its characters."""
    if isinstance(argv, (str, bytes, os.PathLike)):
        raise TypeError("argv must be a sequence of arguments, not a single string")
    return [to_wire(argument, f"argv[{index}]") for index, argument in enumerate(argv)]


def file_to_wire(file: Files) -> Any:
    """A program's file, or a list of candidates."""
    if isinstance(file, (str, bytes, os.PathLike)):
        return to_wire(file, "file")
    return [to_wire(candidate, f"file[{index}]") for index, candidate in enumerate(file)]


def cwd_to_wire(cwd: Union[int, BytesLike], descriptors: Optional[Descriptors] = None) -> Any:
    """A directory by descriptor, or by its path, which is taken from this process's own cwd as it would be for a
    child.
    """
    if isinstance(cwd, int):
        if descriptors is None:
            raise TypeError("cwd cannot be a descriptor here")
        return {"fd": descriptors.add(cwd)}
    path = os.fsencode(cwd)
    return to_wire(path if os.path.isabs(path) else os.path.join(os.getcwdb(), path), "cwd")


def add_environment(
    params: Dict[str, Any],
    env: Optional[Env],
    env_base: Optional[str],
    default: Optional[Callable[[], Dict[str, Any]]] = None,
) -> None:
    """``env`` alone is the whole environment; with ``env_base`` it is what changes; without both, ``default`` gives the
    whole.
    """
    if env is None and env_base is None and default is not None:
        params["env"], params["env_base"] = default(), "empty"
    elif env is not None:
        params["env"], params["env_base"] = environment_to_wire(env), env_base or "empty"
    elif env_base is not None:
        params["env_base"] = env_base


def lifetime_to_wire(lifetime: Optional[Lifetime]) -> Any:
    """A lifetime by word, or a lease."""
    return lifetime if lifetime is None or isinstance(lifetime, str) else lifetime.to_wire()


def terminal_to_wire(pty: Union[None, bool, Terminal]) -> Optional[Dict[str, Any]]:
    """A terminal; True for one as the server makes it by itself."""
    if pty is None or pty is False:
        return None
    return {} if pty is True else pty.to_wire()


def number_of(descriptor: Union[int, HasFileno]) -> int:
    """The number of a descriptor or of whatever has one."""
    return descriptor if isinstance(descriptor, int) else descriptor.fileno()


def _rlimit(value: Any) -> Any:
    """A resource limit, (soft, hard) as ``resource.getrlimit`` gives them included."""
    if isinstance(value, tuple):
        soft, hard = value
        return {"soft": _rlimit(soft), "hard": _rlimit(hard)}
    if isinstance(value, Mapping):
        return {key: _rlimit(each) for key, each in value.items()}
    return "unlimited" if value == resource.RLIM_INFINITY else value


def _optional(value: Any, convert: Callable[[Any], Any]) -> Any:
    return None if value is None else convert(value)
