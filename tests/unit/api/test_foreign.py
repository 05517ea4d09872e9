"""Text of others shows no secret, however it is written, and nothing else that a message must not hold."""

from __future__ import annotations

import base64
import html
import json
import string
from collections.abc import Callable
from urllib.parse import quote as percent
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.api.foreign import (
    MAX_FOREIGN,
    NOTHING_SECRET,
    PROCESS,
    ForeignText,
    KnownSecrets,
    Secrets,
    quote,
)

SECRET = "Ext-9f/3a+b:c@1=x_Y"  # every kind of character that AWS takes in an external ID
EXTERNAL_IDS = st.text(string.ascii_letters + string.digits + "_=,.@:/-", min_size=6, max_size=60)


def each(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(ord(char)) for char in text)


def base64_after(length: int) -> Callable[[str], str]:
    return lambda text: base64.b64encode(b"x" * length + text.encode() + b"!").decode()


WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "percent": lambda text: percent(text, safe=""),
    "percent in lower case": lambda text: percent(text, safe="").lower(),
    "percent twice": lambda text: percent(percent(text, safe="")),
    "percent of each character": each("%{:02x}"),
    "form": quote_plus,
    "HTML": html.escape,
    "HTML decimal": each("&#{};"),
    "HTML hexadecimal": each("&#x{:X};"),
    "HTML without semicolons": each("&#x{:04x}"),
    "JSON": each("\\u{:04x}"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(each("\\u{:04x}")(text))),
    "backslash before each character": lambda text: "".join(f"\\{char}" for char in text),
    "hexadecimal escapes": each("\\x{:02X}"),
    "octal escapes": each("\\{:03o}"),
    "long escapes": each("\\U{:08x}"),
    "quoted-printable": each("={:02X}"),
    "spaces": " ".join,
    "line breaks": "\r\n".join,
    "zero width": "\u200b".join,
    "control characters": "\x00\x1b".join,
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) for char in text),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in upper case": lambda text: text.encode().hex().upper(),
    "Base64": base64_after(0),
    "Base64 after one byte": base64_after(1),
    "Base64 after two bytes": base64_after(2),
    "Base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "Base64 in lines": lambda text: base64.encodebytes(b"y" * 52 + text.encode()).decode(),
    "percent of Base64": lambda text: percent(base64_after(0)(text), safe=""),
    "HTML of percent": lambda text: each("&#{};")(percent(text, safe="")),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_secret_is_masked_however_it_is_written(how: str) -> None:
    text = f"The value '{WRITTEN[how](SECRET)}' was refused"
    shown = quote(text, Secrets.of(SECRET))
    assert "***" in shown
    assert shown.startswith("The value '")
    assert shown.endswith("' was refused")
    assert len(shown) < len("The value '' was refused") + 80, "not much is left of Base64 around it"
    control = quote(text, Secrets.of("another-secret"))
    assert "***" not in control, "the defence is what masks it"


@given(EXTERNAL_IDS, st.sampled_from([*WRITTEN]), st.text(max_size=30), st.text(max_size=30))
def test_no_external_id_is_left_in_any_surroundings(secret: str, how: str, before: str, after: str) -> None:
    shown = quote(f"{before} {WRITTEN[how](secret)} {after}", Secrets.of(secret), limit=MAX_FOREIGN)
    plain = quote(f"{before} {after}", NOTHING_SECRET, limit=MAX_FOREIGN)
    assert "***" in shown
    assert secret not in shown or secret in plain or secret.lower() in (before + after).lower()


@pytest.mark.parametrize("mixed", ["%45xt-9f&#x2f;3a\\u002bb:c%2540" + "1=x_Y", "Ext-9f\\/3a\\+b:c@1=x_Y"])
def test_a_mixture_of_escapes_is_masked(mixed: str) -> None:
    assert quote(f"<{mixed}>", Secrets.of(SECRET)) == "<***>"


@pytest.mark.parametrize("secret", ["a%41b&amp;c%d", "50%25+ off\\x41", "&lt;&lt;&lt;&lt;", "pass word", "päßwörter"])
@pytest.mark.parametrize("how", ["as it is", "percent", "HTML", "JSON"])
def test_secrets_with_text_of_escapes_are_masked_too(secret: str, how: str) -> None:
    assert quote(f"<{WRITTEN[how](secret)}>", Secrets.of(secret)) == "<***>"


@pytest.mark.parametrize("shown", [12, 20, 39])
def test_a_long_part_of_a_secret_is_masked_wherever_the_service_has_cut_it(shown: int) -> None:
    secret = "3f0c2b5e-8d1a-4c77-9be1-0a6d2f"[:24] + "-and-more-of-it"
    secrets = Secrets.of(secret[:20] if shown == 12 else secret)
    for start in range(len(secret) - shown + 1 if shown != 12 else 8):
        part = secret[start : start + shown]
        assert part not in quote(f"It begins with {part}... and so on", secrets)


def test_a_secret_across_the_cut_is_not_shown_in_part() -> None:
    for left in range(4, len(SECRET)):
        text = "." * (MAX_FOREIGN - left) + SECRET + "more"
        shown = quote(text, Secrets.of(SECRET), limit=MAX_FOREIGN)
        assert shown.rstrip("+").endswith(".***"), shown[-40:]


def test_only_the_first_4_kib_are_searched_and_the_length_is_that_of_the_whole() -> None:
    foreign = ForeignText("x" * 10**6)
    assert foreign.length == 10**6
    assert len(quote(foreign, NOTHING_SECRET, limit=10**7)) == MAX_FOREIGN


def test_foreign_text_shows_nothing_of_itself() -> None:
    foreign = ForeignText("confidential")
    assert {str(foreign), f"{foreign}", repr(foreign), f"{foreign!r}"} == {"a text of 12 characters"}
    assert not hasattr(foreign, "__dict__")


@pytest.mark.parametrize("short", ["ab", "12345", "a b c d e", "\\a\\b\\c"])
def test_with_a_secret_that_is_too_short_to_mask_nothing_is_quoted(short: str) -> None:
    shown = quote(f"Refused because of {short} and more", Secrets.of(SECRET, short))
    assert shown.startswith(f"a text of {len(short) + 28} characters, not quoted")
    assert short not in shown.replace("a text of", "").replace("characters", "") or len(short) == 2
    assert "Refused" in quote("Refused because of it", Secrets.of(SECRET, "abcdef"))


def test_with_a_secret_that_cannot_be_read_nothing_is_quoted() -> None:
    assert "confidential" not in quote("confidential", Secrets.of(SECRET) | Secrets.unknown())


@pytest.mark.parametrize("text", ["", ForeignText("")])
def test_no_text_is_nothing_to_quote(text: object) -> None:
    assert quote(text, Secrets.of("ab")) == ""


def test_control_characters_do_not_reach_a_message() -> None:
    shown = quote("a\x1b[31m\x00b\r\n\u2028c\u202ed\ud800e\tf\x9bg", NOTHING_SECRET)
    assert shown == "a [31m b c d e f g"


def test_values_that_are_named_as_secrets_are_not_shown_although_they_are_not_known() -> None:
    for text in ("externalId=abc.123", 'External ID: "abc.123"', "client_secret: abc.123", "password=abc.123"):
        assert "abc.123" not in quote(text, NOTHING_SECRET)


def test_secrets_of_one_namespace_do_not_change_the_messages_of_another() -> None:
    known = KnownSecrets()
    known.add("mdm", "Refused", SECRET)
    known.add("care", "no")
    known.add(PROCESS, "proxy-password")
    text = f"Refused: {SECRET} proxy-password"
    assert quote(text, known.of([PROCESS, "mdm"])) == "***: *** ***"
    assert quote(text, known.of([PROCESS, "sales"])) == f"Refused: {SECRET} ***"
    assert "not quoted" in quote(text, known.of(["care"]))
    assert quote(text, known.all()) == "***: *** ***", "a short one does not suppress the text of everybody"


def test_the_latest_secrets_of_a_namespace_are_kept() -> None:
    known = KnownSecrets()
    for number in range(500):
        known.add("mdm", f"secret-{number:04}", "the-first-one")
    assert quote("secret-0499 the-first-one", known.of(["mdm"])) == "*** ***"
    assert len(known.of(["mdm"]).needles.secrets) <= 128


def test_nothing_is_kept_of_a_namespace_without_a_known_secret() -> None:
    known = KnownSecrets()
    known.add("mdm", "a-long-secret")
    for number in range(100):
        assert known.of([f"namespace-{number}"]) == NOTHING_SECRET
    assert quote("a-long-secret", known.of(["namespace-0", "mdm"])) == "***"
    assert list(known._made) == ["mdm"]
