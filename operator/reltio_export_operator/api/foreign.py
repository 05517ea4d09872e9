"""The one place where text of others enters status, events and logs.

Answers of Reltio and AWS, exceptions of libraries, names of files and content of manifests may hold anything: a secret
that a service repeats, control characters, megabytes. Such text is a `ForeignText`, which shows nothing of itself: in
a format string it is its length. `quote` makes text of it that may be shown.

A secret of a request is known, so it is masked in whichever way it is written: see `masking.py`.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NewType

from .masking import MASK, Needles

MAX_FOREIGN = 4096  # characters; what follows is not even searched
MAX_QUOTED = 512  # characters of others' words in one message
MIN_SECRET = 6  # characters; a shorter one would be found in ordinary words, and not to mask it would show it
MAX_SCOPES, _MAX_PER_SCOPE = 10_000, 128
# Values that are named as secrets are not quoted either, as they may be those of others.
_NAMED = re.compile(
    r"((?:external[\s_-]?id|client[\s_-]?secret|password|access[\s_-]?token)[\"']?\s?[:=]\s?)[\"']?[^\s\"',;&)]+",
    re.IGNORECASE,
)
_BREAKS = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # Unicode categories that no message needs

# Text that may be shown: of the operator's own words, or made by `quote`. Only this module creates it.
Quoted = NewType("Quoted", str)


class ForeignText:
    """Text of others, cut to 4 KiB. It is never shown as it is: `str` and format strings give its length only."""

    __slots__ = ("_length", "_text")

    def __init__(self, text: object) -> None:
        whole = text if isinstance(text, str) else str(text)
        self._text = whole[:MAX_FOREIGN]
        self._length = len(whole)

    @property
    def length(self) -> int:
        """Of the whole text, in characters."""
        return self._length

    def __str__(self) -> str:
        return f"a text of {self._length} characters"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForeignText) and (self._text, self._length) == (other._text, other._length)

    def __hash__(self) -> int:
        return hash((self._text, self._length))

    def holds(self, part: str) -> bool:
        """Whether this part occurs in the text."""
        return part in self._text


@dataclass(frozen=True)
class Secrets:
    """Secrets that foreign text may repeat. `complete`: no other one can be meant; else nothing is quoted."""

    needles: Needles = field(default_factory=lambda: Needles(()))
    too_short: bool = False
    complete: bool = True

    @classmethod
    def of(cls, *values: str | None) -> Secrets:
        needles = Needles(value for value in values if value)
        return cls(needles, too_short=needles.shortest < MIN_SECRET)

    @classmethod
    def unknown(cls) -> Secrets:
        """A secret may be in the text, and it cannot be read."""
        return cls(complete=False)

    def __or__(self, other: Secrets) -> Secrets:
        return Secrets(
            self.needles | other.needles, self.too_short or other.too_short, self.complete and other.complete
        )


NOTHING_SECRET = Secrets()


def quote(text: ForeignText | object, secrets: Secrets, *, limit: int = MAX_QUOTED) -> Quoted:
    """What may be shown of this text: cut, with secrets masked, on one line; its length where masking is not safe."""
    foreign = text if isinstance(text, ForeignText) else ForeignText(text)
    if not foreign:
        return Quoted("")
    if not secrets.complete:
        return Quoted(f"{foreign}, not quoted because a secret that it may repeat cannot be read")
    if secrets.too_short:
        return Quoted(f"{foreign}, not quoted because a secret has fewer than {MIN_SECRET} characters")
    masked = secrets.needles.mask(foreign._text, cut=foreign.length > MAX_FOREIGN)
    return Quoted(_NAMED.sub(rf"\1{MASK}", one_line(masked))[:limit])


def one_line(text: str) -> str:
    """The text without control characters and with single spaces."""
    return " ".join("".join(" " if unicodedata.category(char) in _BREAKS else char for char in text).split())


def own(text: object) -> Quoted:
    """Text of the operator itself: its own words, and names and values that are in the spec of the object."""
    return Quoted(str(text))


class KnownSecrets:
    """The secrets that this process has read, by scope, which is a namespace. Bounded; the oldest are dropped.

    They are kept apart by namespace: otherwise an author of a target could choose an external ID to mask words in the
    messages of others, or a short one to suppress them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # AWS is called in threads
        self._scopes: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._made: dict[str, Secrets] = {}
        self._every = Needles(())

    def add(self, scope: str, *values: str | None) -> None:
        with self._lock:
            known = self._scopes.setdefault(scope, OrderedDict())
            self._scopes.move_to_end(scope)
            for value in values:
                if not value:
                    continue
                if value not in known:
                    self._made.pop(scope, None)
                    self._every.add(value)
                known[value] = None
                known.move_to_end(value)
            while len(known) > _MAX_PER_SCOPE:
                known.popitem(last=False)
            while len(self._scopes) > MAX_SCOPES:
                dropped, _ = self._scopes.popitem(last=False)
                self._made.pop(dropped, None)

    def of(self, scopes: Iterable[str]) -> Secrets:
        """The secrets of these scopes."""
        with self._lock:
            found = NOTHING_SECRET
            for scope in scopes:
                if scope not in self._scopes:
                    continue  # nothing is kept of a namespace of which no secret is known
                if scope not in self._made:
                    self._made[scope] = Secrets.of(*self._scopes[scope])
                found = self._made[scope] if found is NOTHING_SECRET else found | self._made[scope]
            return found

    def all(self) -> Secrets:
        """The secrets of all scopes. Short ones do not count: they would suppress the messages of everybody."""
        with self._lock:
            if len(self._every.secrets) > MAX_SCOPES + _MAX_PER_SCOPE:
                self._every = Needles(value for known in self._scopes.values() for value in known)
            return Secrets(self._every)

    def forget(self) -> None:
        """Drop everything; for tests."""
        with self._lock:
            self._scopes.clear()
            self._made.clear()
            self._every = Needles(())


KNOWN = KnownSecrets()  # of this process, because its log is one too
PROCESS = ""  # the scope of secrets that belong to no namespace, such as the password of a proxy
