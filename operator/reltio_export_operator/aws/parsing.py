"""Answers of AWS that cannot be understood are errors of botocore, whichever error of Python shows it.

botocore's parsers assume the documented form: of another one they raise KeyError, TypeError or ValueError, and where an
element is missing, so do those who read it. An answer may have another form when something between the operator and AWS
answers, or when it was damaged in transit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

# RuntimeError: of a time with a number that is too large, and of nesting.
_NOT_UNDERSTOOD = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Raise ResponseParserError for what reading an answer raises when it is not as documented."""
    try:
        yield
    except (BotoCoreError, ClientError):  # some of them are ValueErrors as well
        raise
    except _NOT_UNDERSTOOD as error:
        raise ResponseParserError(type(error).__name__) from None


class _Client:
    """A base of every client of a session."""

    def _make_api_call(self, *args: Any, **options: Any) -> Any:
        with understood():
            return super()._make_api_call(*args, **options)  # type: ignore[misc]


def check_answers(core: Session) -> None:
    """Let all clients of the session raise ResponseParserError for an answer that cannot be parsed."""

    def add(**event: Any) -> None:
        event["base_classes"].insert(0, _Client)

    core.register("creating-client-class", add)
