# SPDX-License-Identifier: Apache-2.0
"""What a method does, without doing it: a generator that yields requests and is sent their answers.

So params are built and answers read in one place, and the client of threads and that of asyncio differ only in how they
wait.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Generator, Optional, Sequence, TypeVar

from .errors import ProcctlError


@dataclass(frozen=True)
class Request:
    """A request to be sent. ``timeout`` is for a server that hangs; ``repeatable``: after a lost connection it can be
    sent again on another one without harm.
    """

    method: str
    params: Optional[Any] = None
    descriptors: Sequence[int] = ()
    timeout: Optional[float] = None
    repeatable: bool = False


T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Any])

Steps = Generator[Request, Any, T]
"""Requests, and in the end what comes of their answers."""


def ask(
    method: str, params: Optional[Any], read: Callable[[Any], T], timeout: Optional[float] = None
) -> Steps[T]:
    """One request, and how to read its answer."""
    return read((yield Request(method, params, timeout=timeout)))


def run(steps: Steps[T], perform: Callable[[Request], Any]) -> T:
    """Go through the steps; errors of a request are raised in there."""
    try:
        request = next(steps)
        while True:
            try:
                answer = perform(request)
            except ProcctlError as error:
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


async def run_async(steps: Steps[T], perform: Callable[[Request], Awaitable[Any]]) -> T:
    """The same where requests are awaited."""
    try:
        request = next(steps)
        while True:
            try:
                answer = await perform(request)
            except ProcctlError as error:
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


def shaped(method: M, build: Callable[..., Any], about: bool = False) -> M:
    """Give a method the name, docstring and signature of what builds its requests. ``about``: the first argument of
    that is the process the method belongs to.
    """
    functools.update_wrapper(method, build)
    signature = inspect.signature(build)
    taken = [*signature.parameters.values()][1 if about else 0 :]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    setattr(method, "__signature__", signature.replace(parameters=[itself, *taken]))
    return method
