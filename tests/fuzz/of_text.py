"""What text of others goes through before it is shown or compared."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote as percent_encoded

from hypothesis import strategies as st

from reltio_export_operator.api.foreign import NOTHING_SECRET, Secrets, one_line, quote
from reltio_export_operator.runtime.allowed_roles import matches

from .inputs import TEXTS
from .parser import Parser

_SECRET = "Ext/ID+7f=1c:9b@Qz"
_SECRETS = Secrets.of(_SECRET)
_ENCODED = (
    f"the id [{_SECRET}] is wrong",
    f"the id [{percent_encoded(_SECRET, safe='')}] is wrong",
    base64.b64encode(_SECRET.encode()).decode(),
    "".join(f"&#{ord(char)};" for char in _SECRET),
    "".join(f"\\u{ord(char):04x}" for char in _SECRET),
    "clientSecret: hunter22 password=hunter22",
)


def _quoted(text: str) -> None:
    for secrets in (_SECRETS, NOTHING_SECRET):
        shown = quote(text, secrets)
        assert len(shown) <= 512
        assert one_line(shown) == shown.strip()
    assert _SECRET not in quote(text, _SECRETS)


def _around(around: tuple[str, str]) -> None:
    """Whatever is before and after a secret, it is not shown."""
    before, after = around
    assert _SECRET.lower() not in quote(before[:1000] + _SECRET + after, _SECRETS).lower()


def _matched(given: tuple[str, str]) -> None:
    pattern, text = given
    expected = re.fullmatch(".*".join(map(re.escape, pattern[:30].split("*"))), text[:200], re.DOTALL) is not None
    assert matches(pattern[:30], text[:200]) is expected


PARSERS = {
    "text of others": Parser(_quoted, _ENCODED, TEXTS),
    "text around a secret": Parser(_around, [(_ENCODED[5], _ENCODED[1])], st.tuples(TEXTS, TEXTS)),
    "pattern of roles": Parser(
        _matched, [("arn:*:role/a*b", "arn:aws:role/axb"), ("*", ""), ("a**b", "ab")], st.tuples(TEXTS, TEXTS)
    ),
}
