"""Parsers of what the API server sends, and of the files and variables that people write."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from kubernetes.aio.client.exceptions import ApiException

from builders import between_attempts, condition, running
from reltio_export_operator.api.decoding import decode_job, decode_status, decode_target
from reltio_export_operator.api.job import JobStatus
from reltio_export_operator.api.status_patch import status_patch
from reltio_export_operator.api.target import TargetStatus
from reltio_export_operator.cli import documents
from reltio_export_operator.cli.cluster import CommandError
from reltio_export_operator.jobs import messages
from reltio_export_operator.kube.answers import Lines
from reltio_export_operator.kube.client import KubeClient, SecretError, _message_of
from reltio_export_operator.kube.kubeconfig import checked_context
from reltio_export_operator.runtime.failures import explain, explain_status
from reltio_export_operator.runtime.proxies import ProxyPolicy
from reltio_export_operator.runtime.settings import ConfigurationError
from reltio_export_operator.runtime.settings_loader import load

from .inputs import BYTES, OBJECTS, PROXIES
from .parser import Parser, run

_META = {
    "name": "nightly",
    "namespace": "mdm",
    "uid": "u-1",
    "generation": 1,
    "resourceVersion": "7",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-02T00:00:00Z",
    "deletionGracePeriodSeconds": 0,
    "labels": {"a": "b"},
    "annotations": {"export.reltio.com/attempt": "x"},
    "finalizers": ["export.reltio.com/cleanup"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "y"}],
}
_JOB_SPEC = {
    "targetRef": {"name": "lake"},
    "export": {"type": "Entities", "filter": "equals(type,'x')", "fileFormat": "JSON"},
    "delivery": {"verify": "Full"},
    "backoffLimit": 2,
    "activeDeadlineSeconds": 60,
    "ttlSecondsAfterFinished": 5,
    "suspend": False,
}
_TARGET = {
    "metadata": _META,
    "spec": {
        "reltio": {"environment": "na99", "tenant": "acme01", "credentialsSecretRef": {"name": "reltio-api"}},
        "s3": {
            "bucket": "acme-mdm-exports",
            "path": "/reltio/",
            "roleARN": "arn:aws:iam::111122223333:role/x",
            "serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": "arn:aws:kms:us-east-1:1:key/x"},
        },
        "verification": {"reltioPrincipals": ["1"], "mode": "Inspect"},
        "maxConcurrentJobs": 1,
    },
    "status": {
        "conditions": [condition("Ready"), condition("Stalled", "False")],
        "checks": [{"name": "TrustsReltio", "status": "True", "message": "x", "reason": "y"}],
        "observedGeneration": 1,
    },
}
_JOBS = [
    {"metadata": _META, "spec": _JOB_SPEC, "status": status}
    for status in (running("PROCESSING", "COMPLETED"), between_attempts(2), {"conditions": [condition("Complete")]})
]
_KUBECONFIG = b"""apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: &c {cluster: k, user: u, namespace: n}}, {name: b, context: *c}]
clusters:
- {name: k, cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: aGk=}}
users:
- name: u
  user: {token: secret, exec: {command: x, args: [a, "1"]}}
"""
_STATUS = {
    "kind": "Status",
    "status": "Failure",
    "message": 'jobs "x" is forbidden',
    "reason": "Forbidden",
    "code": 403,
}
_SECRET = {
    "type": "export.reltio.com/credentials",
    "labels": {"export.reltio.com/allow": "true"},
    "data": {"clientID": "Y2xpZW50", "clientSecret": "c2VjcmV0"},
}
_EVENTS = b"".join(
    json.dumps({"type": kind, "object": one}).encode() + b"\n"
    for kind, one in (("ADDED", _JOBS[0]), ("MODIFIED", _TARGET), ("BOOKMARK", {"metadata": {"resourceVersion": "9"}}))
)
_SETTINGS = (
    b"retryBaseSeconds: 5\nreltioHosts: ['*.reltio.com']\nallowedRoles: {sales: ['arn:aws:iam::111122223333:role/*']}\n"
)


def _job(raw: Any) -> None:
    """Also: what is decoded is written back as it was, so that nothing of a newer version is lost."""
    raw = raw if isinstance(raw, dict) else {}  # as the API server sends it
    job = decode_job(raw)
    assert isinstance(status_patch(raw.get("status"), job.status, job.status), dict)


def _target(raw: Any) -> None:
    raw = raw if isinstance(raw, dict) else {}  # as the API server sends it
    found = decode_target(raw)
    assert isinstance(status_patch(raw.get("status"), found.status, found.status), dict)


def _status(raw: Any) -> None:
    status, problems = decode_status({"status": raw}, JobStatus)
    assert isinstance(status, JobStatus)
    other, more = decode_status({"status": raw}, TargetStatus)
    assert isinstance(other, TargetStatus)
    for problem in (*problems, *more):
        assert len(str(problem)) < 20_000
    said = ""
    try:
        decode_job({"metadata": _META, "spec": raw})
    except msgspec.ValidationError as error:
        said = str(messages.SPEC_NOT_UNDERSTOOD(error=explain(error)).message)
    assert len(said) < 2048


class _Chunks:
    """A stream of a watch that arrives in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def iter_chunked(self, size: int) -> Any:
        for piece in self._pieces:
            for start in range(0, len(piece), size):
                yield piece[start : start + size]


def _watch(given: tuple[int, bytes]) -> None:
    """The lines are the same whatever the pieces are."""
    size, content = given
    size = max(1, abs(size) % 4096)

    async def lines(*pieces: bytes) -> list[bytes]:
        return [line async for line in Lines(_Chunks(*pieces)).iter_chunked(65536)]  # type: ignore[arg-type]

    whole = run(lines(content))
    assert run(lines(content[:size], content[size:])) == whole
    for line in whole:
        assert line.endswith(b"\n")


def _refusal(given: tuple[int, bytes]) -> None:
    status, body = given
    error = ApiException(status=status, reason="Forbidden")
    error.body = body.decode(errors="replace")
    assert len(explain(error)) <= 300
    assert len(_message_of(error, "mdm")) <= 1024
    explain_status(status, None, body)


def _secret(raw: Any) -> None:
    raw = raw if isinstance(raw, dict) else {}  # as the API server sends it
    data, labels, type_ = raw.get("data"), raw.get("labels"), raw.get("type")
    # The client of Kubernetes has checked these types.
    data = {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
    labels = labels if isinstance(labels, dict) else None
    KubeClient.allowed_values("mdm", "reltio-api", str(type_), labels, data, ("clientID", "clientSecret"))


@cache
def _directory() -> Path:
    """A directory of this process, in memory where there is such."""
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(dir=shared if os.access(shared, os.W_OK) else None))


def _file(content: bytes) -> Path:
    path = _directory() / f"{os.getpid()}.yaml"
    path.write_bytes(content)
    return path


def _kubeconfig(content: bytes) -> None:
    checked_context([_file(content)])


def _settings(content: bytes) -> None:
    load({}, _file(content))


def _manifests(content: bytes) -> None:
    for one in documents.read(_file(content)):
        assert isinstance(one, dict)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _environment(variables: Any) -> None:
    load({str(name): value for name, value in _mapping(variables).items() if isinstance(value, str)})


def _proxies(environment: Any) -> None:
    given = {name: value for name, value in _mapping(environment).items() if isinstance(value, str)}
    ProxyPolicy.from_environment(given).proxy_for("https://bücher.example:8443/x")


PARSERS = {
    "ExportJob": Parser(_job, _JOBS, OBJECTS, (msgspec.ValidationError,)),
    "ExportTarget": Parser(_target, [_TARGET], OBJECTS, (msgspec.ValidationError,)),
    "status and spec": Parser(_status, [*[job["status"] for job in _JOBS], _TARGET["status"], _JOB_SPEC], OBJECTS),
    "lines of a watch": Parser(_watch, [(100, _EVENTS), (2000, _EVENTS)]),
    "error of the API server": Parser(_refusal, [(403, json.dumps(_STATUS).encode())]),
    "Secret": Parser(_secret, [_SECRET], None, (SecretError,)),
    "kubeconfig": Parser(_kubeconfig, [_KUBECONFIG], BYTES, (ConfigurationError,)),
    "settings file": Parser(_settings, [_SETTINGS], BYTES, (ConfigurationError,)),
    "settings in variables": Parser(
        _environment,
        [{"RELTIO_EXPORT_RETRY_BASE_SECONDS": "5", "RELTIO_EXPORT_RELTIO_HOSTS": "*.reltio.com,[::1]:8443"},
         {"RELTIO_EXPORT_ALLOWED_ROLES": '{"default": ["arn:aws:iam::111122223333:role/*"]}'}],
        None,
        (ConfigurationError,),
    ),
    "file with manifests": Parser(
        _manifests, [json.dumps(_JOBS[0]).encode(), b"kind: JobList\nitems: [{kind: x}]\n---\n" + _KUBECONFIG], BYTES,
        (CommandError,),
    ),
    "proxies": Parser(
        _proxies, [{"HTTPS_PROXY": "http://u:p@proxy.example:3128", "NO_PROXY": "10.0.0.0/8,.x,*"}], PROXIES,
        (ConfigurationError,),
    ),
}  # fmt: skip
