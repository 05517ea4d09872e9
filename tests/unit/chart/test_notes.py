"""What Helm prints after an installation."""

from __future__ import annotations

import json

import pytest

from charts import CHART, NAME, Manifest, helm

PUBLISHED = {"image": {"repository": "registry.example.com/reltio-export-operator"}}
ROLE = "arn:aws:iam::111122223333:role/operator"
IRSA = {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}}
KEYS = {"extraEnv": [{"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "aws", "key": "id"}}}]}


def notes(values: Manifest) -> str:
    given = ("--set-json", json.dumps(values)) if values else ()
    text = helm("install", "exports", str(CHART), "--namespace", "ops", "--dry-run=client", *given)
    return text.partition("NOTES:")[2]


def test_the_unpublished_image_is_warned_about() -> None:
    assert "image.repository" in notes({})
    assert "image.repository" not in notes(PUBLISHED)


@pytest.mark.parametrize("identity", [IRSA, KEYS], ids=["IRSA", "keys"])
def test_a_missing_aws_identity_is_warned_about(identity: Manifest) -> None:
    warning = notes(PUBLISHED)
    assert "no AWS identity" in warning
    assert f"ServiceAccount {NAME} in namespace ops" in warning.replace("\n", " ")
    assert "Pod Identity" in warning
    assert "WARNING" not in notes({**PUBLISHED, **identity})


def test_the_role_of_irsa_is_named() -> None:
    assert f"as {ROLE} (IRSA, ServiceAccount {NAME})" in notes({**PUBLISHED, **IRSA})


@pytest.mark.parametrize(
    ("values", "namespace"),
    [({}, "ops"), ({"watch": {"namespaces": ["sales", "care"]}}, "sales")],
    ids=["all", "named"],
)
def test_the_next_commands_name_a_namespace_that_is_watched(values: Manifest, namespace: str) -> None:
    text = notes(values)
    policy, target, verify = (
        text.index(f"kubectl {part}") for part in ("reltio-export policy", "apply", "reltio-export verify")
    )
    assert policy < target < verify
    assert f"kubectl apply -n {namespace} -f target.yaml" in text
    assert f"kubectl reltio-export verify lake -n {namespace}" in text
    assert f"kubectl logs -n ops deployment/{NAME}" in text


@pytest.mark.parametrize(
    ("policy", "text"), [("Refuse", "fails while exports run"), ("Cancel", "cancels all"), ("Ignore", "undeletable")]
)
def test_what_an_uninstall_does_is_said(policy: str, text: str) -> None:
    assert text in notes({"uninstall": {"policy": policy}})


def test_nothing_is_left_unrendered() -> None:
    for values in ({}, {**PUBLISHED, **IRSA}, {"envFrom": [{"secretRef": {"name": "aws"}}]}):
        text = notes(values)
        assert "{{" not in text
        assert "<no value>" not in text
        assert "\n\n\n" not in text


def test_a_release_without_the_cluster_role_says_what_to_delete_first() -> None:
    named = {**PUBLISHED, "watch": {"namespaces": ["sales"]}}
    assert "rbac.clusterRole" not in notes(named)
    assert "before the namespace" in notes({**named, "rbac": {"clusterRole": False}})
