"""A Secret is used only when it has the right type or label."""

from __future__ import annotations

import base64

import pytest

from reltio_export_operator.api.opt_in import has_opted_in, label_command
from reltio_export_operator.kube.client import KubeClient, SecretNotAllowedError

LABEL = "export.reltio.com/allow"


@pytest.mark.parametrize(
    ("type_", "labels"),
    [
        ("export.reltio.com/credentials", None),
        ("Opaque", {LABEL: "true"}),
        ("kubernetes.io/basic-auth", {LABEL: "true", "app": "x"}),
    ],
)
def test_a_type_or_a_label_opts_in(type_: str, labels: dict[str, str] | None) -> None:
    assert has_opted_in(type_, labels)


@pytest.mark.parametrize(
    ("type_", "labels"),
    [
        ("Opaque", None),
        (None, None),
        ("", {}),
        ("Opaque", {LABEL: "false"}),
        ("Opaque", {LABEL: ""}),
        ("Opaque", {LABEL: "True"}),
        ("Opaque", {LABEL: "yes"}),
        ("Opaque", {"reltio.com/allow": "true"}),
        ("Opaque", {"export.reltio.com/allowed": "true"}),
        ("Opaque", {"EXPORT.RELTIO.COM/allow": "true"}),
        ("kubernetes.io/service-account-token", {}),
        ("export.reltio.com/credentials2", {}),
        ("EXPORT.RELTIO.COM/credentials", {}),
    ],
)
def test_nothing_else_opts_in(type_: str | None, labels: dict[str, str] | None) -> None:
    assert not has_opted_in(type_, labels)
    data = {"password": base64.b64encode(b"hunter2-of-the-database").decode()}
    with pytest.raises(SecretNotAllowedError) as refused:
        KubeClient.allowed_values("mdm", "database", type_, labels, data, ("password",))
    assert "hunter2" not in str(refused.value)


def test_the_existence_of_a_key_is_not_shown_before_the_secret_has_opted_in() -> None:
    with pytest.raises(SecretNotAllowedError) as refused:
        KubeClient.allowed_values("mdm", "database", "Opaque", None, {}, ("password",))
    assert "password" not in str(refused.value)


def test_the_command_changes_a_label_that_exists() -> None:
    plain = "kubectl label secret -n mdm reltio-api export.reltio.com/allow=true"
    assert label_command("mdm", "reltio-api", None) == plain
    assert label_command("mdm", "reltio-api", {"app": "x"}) == plain
    assert label_command("mdm", "reltio-api", {LABEL: "false"}) == f"{plain} --overwrite"
