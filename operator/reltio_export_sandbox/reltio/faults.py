"""Faults that may be laid on requests while the simulator runs."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from .errors import Refusal, internal_error, unauthorized
from .messages import Answer, Call, Disruption, Outcome

_LONGEST_HANG = 120.0  # real seconds: nothing of a test may hang forever
_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class Fault(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What happens to requests that match, and when.

    It strikes the `nth` request that matches and those after it, `times` in all (0: without end). `when` is `before`
    for a request that has no effect, `after` for one whose effect is done and whose answer is lost or replaced.
    One of `refuse`, `close`, `hang` (real seconds) and `status` says what the caller gets instead of the answer.
    """

    method: str | None = None
    path: str = ""  # regular expression, searched in the path
    nth: int = 1
    times: int = 1
    when: Literal["before", "after"] = "before"
    refuse: bool = False
    close: bool = False
    hang: float | None = None
    status: int | None = None
    body: Any = None
    html: bool = False
    retry_after: str | int | None = None
    seen: int = 0  # matching requests so far

    def __post_init__(self) -> None:
        if not (self.refuse or self.close or self.hang is not None or self.status):
            raise ValueError("a fault needs one of refuse, close, hang, status")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path: {error}") from None

    def strikes(self, call: Call) -> bool:
        """Whether it strikes this request; counts it when it matches."""
        if self.method not in (None, call.method) or not re.search(self.path, call.path):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)

    def outcome(self) -> Outcome:
        if self.refuse or self.close:
            return Disruption("refuse" if self.refuse else "close")
        if self.hang is not None:
            return Disruption("hang", min(self.hang, _LONGEST_HANG))
        assert self.status is not None
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Answer(self.status, self._body(self.status), headers)

    def _body(self, status: int) -> Any:
        if self.body is not None:
            return self.body
        if self.html:
            return _GATEWAY_PAGE.format(status)
        refusal: Refusal = internal_error()
        if status == 401:
            refusal = unauthorized("invalid_token", "Token is invalid: expired")
        return refusal.answer.body


def struck(faults: list[Fault], call: Call) -> Fault | None:
    """The first fault that strikes this request. Those that only count it count it too."""
    hits = [fault for fault in faults if fault.strikes(call)]
    return hits[0] if hits else None
