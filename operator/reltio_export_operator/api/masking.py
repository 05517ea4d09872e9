"""Finds known secrets in text, in whichever way they are written there.

The text is not searched for every encoding of a secret, of which there are too many, also mixed ones. Instead both are
brought to one form: upper and lower case, white space, control characters and backslashes make no difference, and
escapes (percent, HTML, JSON, backslash, quoted-printable) are decoded, up to three times. Base64 and hexadecimal have
no such form, so their texts are searched for as well. A part of a secret is masked when it is long, for services
that shorten.

The time is linear in the length of the text: each regular expression is, and a comparison ends after 32 characters or
covers what it has compared.
"""

from __future__ import annotations

import base64
import html.entities
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

MASK = "***"
_LEVELS = 3  # of escapes within escapes
_MIN_PART = 16  # characters of a secret of which parts are masked
_MIN_TAIL = 4  # characters of a secret that the cut has left at the end
_MAX_SHARED = 4  # secrets with the same part that are compared there; whole secrets are always found
_ESCAPE = re.compile(
    r"%(?P<percent>[0-9a-f]{2})"
    r"|&\#x(?P<html_hex>[0-9a-f]{1,6});?"
    r"|&\#(?P<html_dec>[0-9]{1,7});?"
    r"|&(?P<html_name>[a-z]{2,31});"
    r"|\\(?-i:u)\{?(?P<json>[0-9a-f]{4})\}?"
    r"|\\(?-i:U)(?P<python>[0-9a-f]{8})"
    r"|\\x(?P<hex>[0-9a-f]{2})"
    r"|\\(?P<octal>[0-7]{3})"
    r"|=(?P<printable>[0-9a-f]{2})",
    re.IGNORECASE,
)
_START = 6  # characters by which whole secrets are found; shorter ones are not masked
_DROPPED = {code: None for code in range(128) if not chr(code).isprintable() or chr(code) in " \\+"}
_BASES = {"html_dec": 10, "octal": 8}


@dataclass(frozen=True)
class _Form:
    """Text in the form that is compared. `starts` and `ends`: where each character is in the original text."""

    text: str
    starts: list[int]
    ends: list[int]


class Needles:
    """What to search for: the secrets, and their texts in Base64 and hexadecimal, in the form that is compared."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets: set[str] = set()
        self.shortest = 1 << 30  # characters of the shortest secret
        self._whole: dict[str, list[str]] = {}  # by their first characters
        self._parts: dict[int, dict[str, list[tuple[str, int]]]] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        if secret in self.secrets:
            return
        self.secrets.add(secret)
        self.shortest = min(self.shortest, len(_folded(secret)))
        for needle in _texts(secret):
            listed = self._whole.setdefault(needle[:_START], [])
            if len(needle) >= _START and needle not in listed:
                listed.append(needle)
                self._add_parts(needle)

    def __or__(self, other: Needles) -> Needles:
        return self if other.secrets <= self.secrets else Needles(self.secrets | other.secrets)

    def _add_parts(self, needle: str) -> None:
        if len(needle) < _MIN_PART:
            return
        size = _part_size(needle)
        blocks = self._parts.setdefault(size, {})
        seen = set()
        for offset in range(0, len(needle) - size + 1, size):
            block = needle[offset : offset + size]
            if block not in seen and len(blocks.setdefault(block, [])) < _MAX_SHARED:
                blocks[block].append((needle, offset))
            seen.add(block)

    def mask(self, text: str, *, cut: bool = False) -> str:
        """The text with each secret replaced. `cut`: more followed, so that a secret may be incomplete at its end."""
        if not self._whole or not text:
            return text
        masked = bytearray(len(text))
        for form in _forms(text):
            for start, end in self._found(form.text, cut):
                first, last = form.starts[start], form.ends[end - 1]
                masked[first:last] = b"\1" * (last - first)
        return "".join(_replaced(text, masked))

    def _found(self, text: str, cut: bool) -> Iterator[tuple[int, int]]:
        for position in range(len(text) - _START + 1):
            for needle in self._whole.get(text[position : position + _START], ()):
                if text.startswith(needle, position):
                    yield position, position + len(needle)
        for size, blocks in self._parts.items():
            yield from _parts_in(text, size, blocks)
        if cut:
            yield from self._at_the_end(text)

    def _at_the_end(self, text: str) -> Iterator[tuple[int, int]]:
        for needle in [one for listed in list(self._whole.values()) for one in listed]:
            for length in range(min(len(needle) - 1, 2 * _MIN_PART), _MIN_TAIL - 1, -1):
                if text.endswith(needle[:length]):
                    yield len(text) - length, len(text)
                    break


def _parts_in(text: str, size: int, blocks: dict[str, list[tuple[str, int]]]) -> Iterator[tuple[int, int]]:
    position = 0
    while position + size <= len(text):
        end = position
        for needle, offset in blocks.get(text[position : position + size], ()):
            left = _common_before(text, position, needle, offset)
            right = _common_after(text, position, needle, offset)
            if left + right >= _least(needle):
                yield position - left, position + right
                end = max(end, position + right)
        position = max(end, position + 1)


def _common_before(text: str, at: int, needle: str, offset: int) -> int:
    """How many characters before these places are the same; a part before it would have been found itself."""
    count, most = 0, min(at, offset, _least(needle))
    while count < most and text[at - 1 - count] == needle[offset - 1 - count]:
        count += 1
    return count


def _common_after(text: str, at: int, needle: str, offset: int) -> int:
    count, most = 0, min(len(text) - at, len(needle) - offset)
    while count < most and text[at + count] == needle[offset + count]:
        count += 1
    return count


def _least(needle: str) -> int:
    """How many characters of a secret are masked where it is not whole: half of it, between 12 and 32."""
    return min(max(12, len(needle) // 2), 32)


def _part_size(needle: str) -> int:
    """Each run of `_least` characters holds one whole block of this size."""
    return (_least(needle) + 1) // 2


@lru_cache(4096)
def _texts(secret: str) -> tuple[str, ...]:
    """The secret as it may be written, in the form that is compared."""
    data = secret.encode(errors="surrogatepass")
    found = {form.text for form in _forms(secret)} | {data.hex()}
    if not secret.isascii():
        found.add(_folded(data.decode("latin-1")))  # percent escapes stand for bytes
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).rstrip(b"=").decode()
        # Characters that also depend on what is around the secret are not compared.
        inner = encoded[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        found |= {_folded(inner), _folded(inner.translate(str.maketrans("+/", "-_")))}
    return tuple(sorted(found - {""}))


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower().translate(_DROPPED)
    return "".join(map(_compared, text))


def _form(text: str, starts: Iterable[int], ends: Iterable[int]) -> _Form:
    if text.isascii() and len(folded := _folded(text)) == len(text):  # the usual case: nothing is dropped
        return _Form(folded, list(starts), list(ends))
    kept = [(low, start, end) for char, start, end in zip(text, starts, ends, strict=True) for low in _compared(char)]
    return _Form("".join(k[0] for k in kept), [k[1] for k in kept], [k[2] for k in kept])


def _compared(char: str) -> str:
    """The characters to compare for this one; none for those that services add or drop."""
    if char.isascii():
        return "" if ord(char) in _DROPPED else char.lower()
    return "".join(
        _compared(one) if one.isascii() else one.lower()
        for one in unicodedata.normalize("NFKC", char)
        if unicodedata.category(one)[0] not in "CZ"
    )


def _forms(text: str) -> Iterator[_Form]:
    """The text as it is, and with its escapes decoded once, twice and so on."""
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    for level in range(_LEVELS + 1):
        yield _form(text, starts, ends)
        if level == _LEVELS or not _ESCAPE.search(text):
            return
        text, starts, ends = _decoded(text, starts, ends)


def _decoded(text: str, starts: list[int], ends: list[int]) -> tuple[str, list[int], list[int]]:
    chars: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    position = 0
    for found in _ESCAPE.finditer(text):
        chars += text[position : found.start()]
        new_starts += starts[position : found.start()]
        new_ends += ends[position : found.start()]
        char = _meaning(found)
        chars += char
        new_starts += [starts[found.start()]] * len(char)
        new_ends += [ends[found.end() - 1]] * len(char)
        position = found.end()
    chars += text[position:]
    return "".join(chars), new_starts + starts[position:], new_ends + ends[position:]


def _meaning(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    digits = found[kind]
    if kind == "html_name":
        return html.entities.html5.get(f"{digits};") or html.entities.html5.get(f"{digits.lower()};") or found[0]
    number = int(digits, _BASES.get(kind, 16))
    return chr(number) if number < 0x110000 else ""


def _replaced(text: str, masked: bytearray) -> Iterator[str]:
    position = 0
    while position < len(text):
        hidden = masked[position]
        end = masked.find(b"\0" if hidden else b"\1", position)
        end = len(text) if end < 0 else end
        yield MASK if hidden else text[position:end]
        position = end
