"""Which cluster the operator connects to, and how a mistake in that is reported."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client

from reltio_export_operator.kube.connection import load_configuration, warn_of_absent_namespaces
from reltio_export_operator.kube.rest import RestClient
from reltio_export_operator.runtime.settings import ConfigurationError

Raw = dict[str, Any]
TOKEN = "very-secret-token"


@pytest.fixture(autouse=True)
def default_configuration() -> Any:
    before = client.Configuration._default
    yield
    client.Configuration._default = before


def kubeconfig(path: Path, *, cluster: Raw | None = None, user: Raw | None = None, **changes: Any) -> dict[str, str]:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {"server": "https://10.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": "me", "user": {"token": TOKEN} if user is None else user}],
        **changes,
    }
    path.write_text(json.dumps(document))
    return {"KUBECONFIG": str(path)}


async def refused(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as raised:
        await load_configuration(environment)
    message = str(raised.value)
    assert TOKEN not in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


async def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    loaded = await load_configuration(kubeconfig(tmp_path / "config"))
    assert loaded.host == "https://10.0.0.1:6443"
    assert loaded.api_key == {"BearerToken": f"Bearer {TOKEN}"}
    assert client.Configuration.get_default_copy().host == "https://10.0.0.1:6443"


async def test_files_of_a_list_are_merged_and_absent_ones_passed_over(tmp_path: Path) -> None:
    kubeconfig(tmp_path / "contexts", clusters=[], users=[])
    rest: dict[str, Any] = {"contexts": [], "current-context": ""}
    kubeconfig(tmp_path / "rest", **rest)
    paths = [tmp_path / "absent", tmp_path / "contexts", tmp_path / "rest"]
    loaded = await load_configuration({"KUBECONFIG": ":".join(map(str, paths))})
    assert loaded.host == "https://10.0.0.1:6443"


async def test_the_default_kubeconfig_is_that_of_the_home_directory(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config")
    assert (await load_configuration({"HOME": str(tmp_path)})).host == "https://10.0.0.1:6443"


async def test_without_kubeconfig_and_pod_the_sentence_names_the_variable(tmp_path: Path) -> None:
    for environment in ({"HOME": str(tmp_path)}, {"HOME": str(tmp_path), "KUBECONFIG": ""}):
        message = await refused(environment)
        assert message.startswith("No cluster is configured")
        assert message.endswith("Set KUBECONFIG to the path of a kubeconfig.")


async def test_the_error_of_a_pod_without_a_token_says_to_mount_one(tmp_path: Path) -> None:
    inside = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert "automountServiceAccountToken" in await refused(inside)


async def test_a_kubeconfig_that_does_not_exist_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert f"KUBECONFIG names {absent}, which does not exist" in await refused({"KUBECONFIG": str(absent)})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty or no mapping"),
        ("- a\n", "is empty or no mapping"),
        ("{", "is not valid YAML in line 1"),
        ("users: [{name: me, user: {token: " + TOKEN + "}}\n", "is not valid YAML"),
        ("a: \x00", "is not valid YAML"),
        ("clusters: []\n", "has no current-context"),
    ],
)
async def test_a_broken_kubeconfig_is_named_and_not_quoted(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    message = await refused({"KUBECONFIG": str(path)})
    assert sentence in message
    assert str(path) in message


async def test_a_directory_as_kubeconfig_is_named(tmp_path: Path) -> None:
    assert "Is a directory" in await refused({"KUBECONFIG": str(tmp_path)})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"current-context": "prod"}, "has no context prod"),
        ({"contexts": [{"name": "dev", "context": {"cluster": "two", "user": "me"}}]}, "has no cluster 'two'"),
        ({"contexts": [{"name": "dev", "context": {"cluster": "one", "user": "you"}}]}, "has no user 'you'"),
        ({"contexts": [{"name": "dev"}]}, "has no cluster ''"),
        ({"contexts": ["dev"]}, "has no context dev"),
        ({"cluster": {"server": ""}}, "has no URL in the field server of cluster one"),
        ({"cluster": {"server": "https://[10.0.0.1"}}, "has no URL in the field server of cluster one"),
        ({"cluster": {"server": ["https://10.0.0.1"]}}, "has no URL in the field server of cluster one"),
        ({"current-context": ["dev"]}, "has no current-context"),
        ({"contexts": [{"name": "dev", "context": {"cluster": [["x"]]}}]}, "has no cluster ''"),
        ({"cluster": {"server": "10.0.0.1:6443"}}, "has no URL in the field server of cluster one"),
        ({"cluster": {"certificate-authority": "/no/ca.crt"}}, "file /no/ca.crt does not exist"),
        ({"cluster": {"certificate-authority-data": "%%%"}}, "it holds no certificate in PEM format"),
        (
            {"cluster": {"certificate-authority-data": base64.b64encode(b"hello").decode()}},
            "it holds no certificate in PEM format",
        ),
        (
            {"user": {"client-certificate-data": base64.b64encode(b"x").decode(), "client-key": "/no/key"}},
            "file /no/key does not exist",
        ),
        (
            {"user": {key: base64.b64encode(b"x").decode() for key in ("client-certificate-data", "client-key-data")}},
            "it is not in PEM format, or does not match its key",
        ),
        ({"user": {"exec": {"command": "no-such-plugin", "apiVersion": "v1"}}}, "the command no-such-plugin"),
        ({"user": {"auth-provider": {"name": "oidc"}}}, "ValueError while it was read"),
    ],
)
async def test_a_mistake_in_a_kubeconfig_is_one_sentence_with_its_path(
    tmp_path: Path, changes: Raw, sentence: str
) -> None:
    path = tmp_path / "config"
    message = await refused(kubeconfig(path, **changes))
    assert sentence in message
    assert str(path) in message


async def namespace_of(_: RestClient, path: str) -> None:
    """Answers like an API server that has one namespace, and denies access to another."""
    name = path.removeprefix("/api/v1/namespaces/")
    if name != "sales":
        raise client.ApiException(status={"secret": 403}.get(name, 404))


async def test_an_absent_namespace_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(RestClient, "get", namespace_of)
    await warn_of_absent_namespaces(client.ApiClient(client.Configuration()), ("sales", "care", "secret"))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Namespace care does not exist.")
    assert record.namespace == "care"  # type: ignore[attr-defined]
