"""What a target of the fuzzer is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Parser:
    """Code that reads what comes from outside.

    `seeds` are valid inputs, of which changed ones are made: bytes, text, JSON, or tuples of these. `given` makes other
    ones from nothing. `parse` may raise what `raises` lists. It must not change its input.
    """

    parse: Callable[[Any], object]
    seeds: Sequence[Any]
    given: st.SearchStrategy[Any] | None = None
    raises: tuple[type[BaseException], ...] = ()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def run(call: Coroutine[Any, Any, Any]) -> Any:
    """The result of a call that never waits for anything outside."""
    return _loop().run_until_complete(call)


class InlineExecutor(Executor):
    """Runs calls at once, in the thread that submits them."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
