"""Answers that fill what the limits permit, each of which takes a parser long in another way."""

from __future__ import annotations

from collections.abc import Callable

Shapes = list[tuple[str, bytes]]


def json_shapes(size: int, values: int, depth: int) -> Shapes:
    """JSON values of these limits, each of which takes a parser long in another way."""

    def filled(unit: str) -> bytes:
        one = unit.encode()
        return b'"' + one * ((size - 2) // len(one)) + b'"'

    def of(one: Callable[[int], str], brackets: str = "[]", longest: int = values) -> bytes:
        parts, left = [], size - 2
        for number in range(longest):
            part = one(number).encode()
            left -= len(part) + 1
            if left < 0:
                break
            parts.append(part)
        return brackets[:1].encode() + b",".join(parts) + brackets[1:].encode()

    room = max(1, size // values - 14)
    nested = "[" * (depth - 1) + "]" * (depth - 1)
    return [
        ("text", filled("x")),
        ("text with escapes", filled("a\\n")),
        ("text with characters of 4 bytes", filled("😀")),
        ("text with halves of characters", filled("\\ud83d")),
        ("spaces", b"[" + b" " * (size - 2) + b"]"),
        ("empty lists", of(lambda _: "[]", longest=values // 2)),
        ("numbers", of(lambda _: "1.2345678901234567e-300")),
        ("integers", of(lambda _: "9" * 4000, longest=size // 4001)),
        ("keys", of(lambda n: f'"{n:07}":"{"x" * room}"', "{}")),
        ("short texts", of(lambda n: f'"{n:x}"')),
        ("nested lists", of(lambda _: nested, longest=values // depth)),
    ]


def xml_shapes(size: int, values: int, depth: int) -> Shapes:
    def repeated(unit: str, longest: int = size) -> bytes:
        one = unit.encode()
        return one * min(size // len(one), longest)

    attributes = "".join(f' a{n}="{"x" * max(1, size // values - 12)}"' for n in range(values))[: size - 10]
    nested = "<a>" * (depth - 4) + "</a>" * (depth - 4)
    return [
        ("text", repeated("x")),
        ("text with entities", repeated("&amp;")),
        ("elements", repeated("<b/>", values)),
        ("elements with text", repeated(f"<b>{'x' * max(1, size // values - 8)}</b>", values)),
        ("attributes", f"<b{attributes[: attributes.rindex(' a')]}/>".encode()),
        ("nested elements", repeated(nested, values // depth)),
    ]
