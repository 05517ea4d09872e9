"""`kubectl reltio-export external-id`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from reltio_export_operator.cli import external_id
from reltio_export_operator.cli.cluster import CommandError
from reltio_export_operator.cli.main import plugin

Raw = dict[str, Any]
VALUE = "3f6f0f0a-1c1b-4f0e-9d57-2b8d7c0f6c11"
FILE = """
apiVersion: export.reltio.com/v1alpha1
kind: ExportTarget
metadata: {name: lake, namespace: mdm}
spec:
  reltio: {environment: na99-prod, tenant: acme01, credentialsSecretRef: {name: reltio-api}}
  s3: {bucket: acme-mdm-exports, path: /reltio/, roleARN: "arn:aws:iam::111122223333:role/reltio-exporter"}
---
apiVersion: v1
kind: Secret
metadata: {name: reltio-api, labels: {export.reltio.com/allow: "true"}}
stringData: {clientID: id-1, clientSecret: very-confidential}
"""


class Namespace:
    """Secrets of a namespace."""

    namespace = "mdm"

    def __init__(self, **secrets: Raw) -> None:
        self.secrets = secrets
        self.written: list[tuple[str, str, Mapping[str, str]]] = []

    def find_secret(self, name: str) -> Raw | None:
        return self.secrets.get(name)

    def write_secret(self, name: str, type_: str, values: Mapping[str, str]) -> None:
        self.written.append((name, type_, values))


def stored(key: str = "other", labels: Raw | None = None, type_: str = "Opaque") -> Raw:
    return {"type": type_, "metadata": {"labels": labels}, "data": {key: ""}}


class Reltio:
    """The token service and the tools."""

    def __init__(self, answer: Any = None, status: int = 200) -> None:
        self.answer = {"externalId": VALUE} if answer is None else answer
        self.status = status
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.method == "POST":
            return httpx.Response(200, json={"access_token": "t-1", "expires_in": 300})
        return httpx.Response(self.status, json=self.answer)


@pytest.fixture
def reltio(monkeypatch: pytest.MonkeyPatch) -> Reltio:
    service = Reltio()
    monkeypatch.setattr(
        external_id, "http_client", lambda *_, **__: httpx.AsyncClient(transport=httpx.MockTransport(service))
    )
    return service


def call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str, namespace: Namespace | None = None
) -> Result:
    path = tmp_path / "target.yaml"
    path.write_text(FILE)
    monkeypatch.setattr(external_id, "connect", lambda *_: namespace or Namespace())
    return CliRunner().invoke(plugin, ["external-id", "-f", str(path), *arguments], env={"KUBECONFIG": "/nowhere"})


def test_it_asks_the_tools_of_reltio_with_the_credentials_of_the_target(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio
) -> None:
    result = call(monkeypatch, tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{VALUE}\n"
    token, tool = reltio.asked
    assert token.headers["Authorization"] == f"Basic {base64.b64encode(b'id-1:very-confidential').decode()}"
    assert (tool.method, str(tool.url)) == ("GET", "https://platform-management.reltio.com/api/v1/tools/externalId")
    assert tool.headers["Authorization"] == "Bearer t-1"


def test_into_a_secret_it_writes_the_value_and_prints_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio
) -> None:
    namespace = Namespace()
    result = call(monkeypatch, tmp_path, "--secret", "lake-id", namespace=namespace)
    assert namespace.written == [("lake-id", "export.reltio.com/credentials", {"externalID": VALUE})]
    assert result.stdout == "secret/lake-id has the external ID under key externalID\n"
    for secret in (VALUE, "very-confidential", "t-1"):
        assert secret not in result.output


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (stored(), "Run kubectl label secret -n mdm lake-id export.reltio.com/allow=true"),
        (stored("externalID", {"export.reltio.com/allow": "true"}), "use --overwrite"),
    ],
)
def test_a_secret_that_must_not_be_written_is_refused_before_reltio_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio, secret: Raw, text: str
) -> None:
    namespace = Namespace(**{"lake-id": secret})
    result = call(monkeypatch, tmp_path, "--secret", "lake-id", namespace=namespace)
    assert result.exit_code == 2
    assert text in result.output
    assert not reltio.asked
    assert not namespace.written


@pytest.mark.parametrize(
    ("secret", "option"),
    [
        (stored(labels={"export.reltio.com/allow": "true"}), ()),
        (stored(type_="export.reltio.com/credentials"), ()),
        (stored("externalID", type_="export.reltio.com/credentials"), ("--overwrite",)),
    ],
)
def test_a_secret_that_has_opted_in_gets_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio, secret: Raw, option: tuple[str, ...]
) -> None:
    namespace = Namespace(**{"lake-id": secret})
    assert call(monkeypatch, tmp_path, "--secret", "lake-id", *option, namespace=namespace).exit_code == 0
    assert [name for name, _, _ in namespace.written] == ["lake-id"]


@pytest.mark.parametrize(
    "answer", [{}, [], {"externalId": ""}, {"externalId": 7}, {"externalId": "a b"}, {"externalId": "x\n"}]
)
def test_an_answer_without_an_external_id_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio, answer: Any
) -> None:
    reltio.answer = answer
    result = call(monkeypatch, tmp_path)
    assert result.exit_code == 2
    assert "there is no external ID" in result.output


def test_a_refusal_is_reported_without_the_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio
) -> None:
    reltio.status, reltio.answer = 403, {"errorMessage": "very-confidential t-1"}
    result = call(monkeypatch, tmp_path)
    assert result.exit_code == 2
    assert "very-confidential" not in result.output


def test_a_host_that_the_settings_do_not_allow_gets_no_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reltio: Reltio
) -> None:
    result = call(monkeypatch, tmp_path, "--tools-url", "https://attacker.example")
    assert result.exit_code == 2
    assert "attacker.example" in result.output
    assert not reltio.asked
    assert isinstance(result.exception, SystemExit | CommandError)
