"""Bodies as kubectl encodes them for the built-in kinds."""

from __future__ import annotations

import pytest

from reltio_export_sandbox.apiserver import protobuf
from reltio_export_sandbox.apiserver.kinds import MESSAGES

# `kubectl create configmap c1 --from-literal=a=b -v=9` of 1.32 and of 1.37
CONFIG_MAP = bytes.fromhex(
    "6b3873000a0f0a0276311209436f6e6669674d6170121c0a120a02633112001a0022002a0032003800420012060a01611201621a002200"
)


def test_what_kubectl_sends_is_read_without_its_empty_fields() -> None:
    assert protobuf.decode(CONFIG_MAP) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c1"},
        "data": {"a": "b"},
    }


@pytest.mark.parametrize("length", range(len(CONFIG_MAP)))
def test_a_body_that_is_cut_is_refused_or_is_shorter_and_never_anything_else(length: int) -> None:
    try:
        found = protobuf.decode(CONFIG_MAP[:length])
    except ValueError:
        return
    assert found["kind"] == "ConfigMap"
    assert found.get("data", {"a": "b"}) in ({"a": "b"}, {"": ""}, {"a": ""}, {})


def _message(*fields: bytes) -> bytes:
    kind = b"\x0a\x02v1\x12\x06Secret"
    raw = b"".join(fields)
    return b"k8s\x00" + b"\x0a" + bytes([len(kind)]) + kind + b"\x12" + bytes([len(raw)]) + raw


def test_bytes_become_base64_and_a_false_that_was_set_stays() -> None:
    data = b"\x12\x08\x0a\x01k\x12\x03\x00\x01\xff"
    assert protobuf.decode(_message(data, b"\x28\x00")) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"k": "AAH/"},
        "immutable": False,
    }


def test_fields_that_are_not_known_are_skipped() -> None:
    assert protobuf.decode(_message(b"\xa2\x06\x01x", b"\x1a\x01t"))["type"] == "t"


@pytest.mark.parametrize(
    "body", [b"", b"{}", _message(b"\x0b"), _message(b"\x0a\x7f"), b"k8s\x00\x0a\x07\x0a\x02v1\x12\x01X"]
)
def test_another_body_or_an_unknown_kind_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        protobuf.decode(body)


def test_every_message_that_a_field_names_is_in_the_table() -> None:
    named = {field.type for message in MESSAGES.values() for field in message.fields.values() if field.is_message}
    assert named <= set(MESSAGES)
