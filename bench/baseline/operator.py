"""An operator as people write it first with kopf: a handler that submits, and a timer for each job that polls.

It works: a created ExportJob is submitted once while nothing goes wrong, followed, and ends as Complete or Failed. It
has kopf's default storages, one timer for each object, and synchronous handlers with the generated client of Kubernetes
and `requests`. It does not survive a lost answer, does not queue, and does not look at what arrived. Run it with

    kopf run --namespace NAMESPACE bench/baseline/operator.py
"""

from __future__ import annotations

import base64
import os
import threading
import time
from typing import Any

import kopf
import kubernetes
import requests

GROUP, VERSION = "export.reltio.com", "v1alpha1"
POLL_SECONDS = float(os.environ.get("BASELINE_POLL_SECONDS", "15"))
TIMEOUT = 60
ENDED = {"COMPLETED": "Complete", "FAILED": "Failed", "CANCELED": "Failed"}

_tokens: dict[tuple[str, str], tuple[str, float]] = {}
_lock = threading.Lock()


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config()


def target_of(namespace: str, spec: Any) -> dict[str, Any]:
    api = kubernetes.client.CustomObjectsApi()
    name = spec["targetRef"]["name"]
    found: dict[str, Any] = api.get_namespaced_custom_object(GROUP, VERSION, namespace, "exporttargets", name)
    return found["spec"]


def token_of(namespace: str, reltio: Any) -> str:
    """A token for the credentials of the target, kept until shortly before it expires."""
    secret = reltio["credentialsSecretRef"]["name"]
    with _lock:
        token, until = _tokens.get((namespace, secret), ("", 0.0))
        if time.monotonic() < until:
            return token
        data = kubernetes.client.CoreV1Api().read_namespaced_secret(secret, namespace).data
        client = tuple(base64.b64decode(data[key]).decode() for key in ("clientID", "clientSecret"))
        answer = requests.post(
            reltio["authURL"], data={"grant_type": "client_credentials"}, auth=client, timeout=TIMEOUT
        )
        answer.raise_for_status()
        granted = answer.json()
        _tokens[namespace, secret] = granted["access_token"], time.monotonic() + granted["expires_in"] - 60
        return str(granted["access_token"])


@kopf.on.create(GROUP, VERSION, "exportjobs", retries=5, backoff=10)
def submit(namespace: str, name: str, uid: str, spec: Any, patch: kopf.Patch, **_: Any) -> None:
    target = target_of(namespace, spec)
    reltio, s3 = target["reltio"], target["s3"]
    headers = {"Authorization": f"Bearer {token_of(namespace, reltio)}"}
    query = {
        "name": f"{name}-{uid}",
        "s3Bucket": s3["bucket"],
        "s3Path": f"{s3.get('path', '').strip('/')}/{name}-{uid}".strip("/"),
        "s3Region": s3["region"],
        "roleArn": s3["roleARN"],
        "externalId": s3["externalID"],
    }
    url = f"{reltio['exportServiceURL']}/export/{reltio['tenant']}/{spec['export']['type'].lower()}"
    answer = requests.post(url, params=query, headers=headers, json={}, timeout=TIMEOUT)
    if answer.status_code == 400:
        patch.status["phase"] = "Failed"
        raise kopf.PermanentError(answer.text)
    answer.raise_for_status()
    ids = answer.json()["taskIds"]
    patch.status["phase"] = "Running"
    patch.status["tasks"] = [{"id": id_, "status": "SCHEDULED"} for id_ in ids]
    about: dict[str, Any] = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "ExportJob"}
    about["metadata"] = {"name": name, "namespace": namespace, "uid": uid}
    kopf.info(about, reason="Submitted", message=f"Tasks {', '.join(ids)}")


@kopf.timer(
    GROUP, VERSION, "exportjobs", interval=POLL_SECONDS, when=lambda status, **_: status.get("phase") == "Running"
)
def follow(namespace: str, spec: Any, status: Any, patch: kopf.Patch, **_: Any) -> None:
    target = target_of(namespace, spec)
    reltio = target["reltio"]
    headers = {"Authorization": f"Bearer {token_of(namespace, reltio)}"}
    found = []
    for task in status.get("tasks", []):
        url = f"{reltio['exportServiceURL']}/{reltio['tenant']}/tasks/{task['id']}"
        answer = requests.get(url, headers=headers, timeout=TIMEOUT)
        answer.raise_for_status()
        found.append({"id": task["id"], "status": answer.json()["status"]})
    patch.status["tasks"] = found
    phases = {ENDED.get(task["status"]) for task in found}
    if None not in phases:
        patch.status["phase"] = "Complete" if phases == {"Complete"} else "Failed"


@kopf.on.delete(GROUP, VERSION, "exportjobs", optional=True)
def stop(namespace: str, spec: Any, status: Any, **_: Any) -> None:
    """Stop what still runs in Reltio."""
    if status.get("phase") != "Running":
        return
    target = target_of(namespace, spec)
    reltio = target["reltio"]
    headers = {"Authorization": f"Bearer {token_of(namespace, reltio)}"}
    for task in status.get("tasks", []):
        url = f"{reltio['exportServiceURL']}/{reltio['tenant']}/tasks/{task['id']}/_stop"
        requests.put(url, headers=headers, timeout=TIMEOUT)
