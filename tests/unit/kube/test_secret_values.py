"""Values of Secrets that cannot be used are named for what is wrong with them, and are not shown."""

from __future__ import annotations

import base64

import pytest

from reltio_export_operator.api import opt_in
from reltio_export_operator.kube.client import KubeClient, SecretError


def decoded(monkeypatch: pytest.MonkeyPatch, **data: str) -> tuple[str, ...]:
    monkeypatch.setattr(opt_in, "has_opted_in", lambda type_, labels: True)
    return KubeClient.allowed_values("mdm", "reltio-api", "Opaque", {}, data, ("clientID", "clientSecret"))


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


GOOD = {"clientID": encoded(b"id\n"), "clientSecret": encoded(b"s3cret-value")}


def test_values_are_text_without_the_line_break_at_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(monkeypatch, **GOOD) == ("id", "s3cret-value")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clientID": ""}, "Key clientID of Secret reltio-api is empty."),
        ({"clientID": encoded(b" \n")}, "Key clientID of Secret reltio-api is empty."),
        ({"clientID": encoded(b"\xff\xfe")}, "Key clientID of Secret reltio-api holds bytes that are not UTF-8 text."),
        ({"clientID": "s3cret-value!"}, "The value of key clientID of Secret reltio-api is not base64."),
    ],
)
def test_a_value_that_cannot_be_used_is_named_for_what_is_wrong(
    change: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SecretError) as caught:
        decoded(monkeypatch, **{**GOOD, **change})
    assert str(caught.value) == message


def test_a_key_that_is_not_there_is_not_called_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SecretError, match="has no key clientSecret"):
        decoded(monkeypatch, clientID=GOOD["clientID"])
