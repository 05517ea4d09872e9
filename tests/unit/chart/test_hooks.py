"""`helm test`, and the Job that runs before `helm uninstall`."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from charts import CHART, HOOK, NAME, Manifest, only, pod_of, render

SCRIPT = CHART / "files" / "ready.py"


class Health(BaseHTTPRequestHandler):
    """Not ready at first, then ready."""

    answers: list[int]

    def do_GET(self) -> None:
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/readyz"
    server.shutdown()
    thread.join()
    server.server_close()


def run(url: str, *within: str) -> subprocess.CompletedProcess[str]:
    container = only(render(), "Pod")["spec"]["containers"][0]
    assert container["command"] == ["python", "-c"]
    script = container["args"][0]
    command = [sys.executable, "-c", script, url, *within]
    proxy = {"http_proxy": "http://127.0.0.1:9"}  # a service of the cluster is not reached by a proxy
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=proxy, check=False)


def test_helm_test_waits_until_a_replica_is_ready(url: str) -> None:
    Health.answers = [503, 200]
    done = run(url)
    assert done.returncode == 0, done.stderr
    assert "answered 200: ok" in done.stdout


def test_helm_test_fails_with_what_it_saw(url: str) -> None:
    Health.answers = [503]
    done = run(url, "0")
    assert done.returncode == 1
    assert "503" in done.stderr
    assert "log of the operator's pods" in done.stderr


def test_helm_test_asks_the_service_from_a_pod_without_rights() -> None:
    manifests = render({"metrics": {"port": 9100}})
    pod = only(manifests, "Pod")
    assert pod["metadata"]["annotations"][HOOK] == "test"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["containers"][0]["args"][1] == f"http://{NAME}.ops.svc:9100/readyz"
    service = only(manifests, "Service")
    assert (service["metadata"]["name"], service["spec"]["ports"][0]["port"]) == (NAME, 9100)


@pytest.mark.parametrize("policy", ["Refuse", "Cancel"])
def test_before_an_uninstall_a_job_runs_as_the_operator(policy: str) -> None:
    manifests = render({"uninstall": {"policy": policy, "timeoutSeconds": 100}, "watch": {"namespaces": ["sales"]}})
    job = only(manifests, "Job")
    assert job["metadata"]["annotations"][HOOK] == "pre-delete"
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] > 100
    spec, operator = job["spec"]["template"]["spec"], pod_of(manifests)
    assert spec["serviceAccountName"] == operator["serviceAccountName"]
    (container,), (own,) = spec["containers"], operator["containers"]
    assert container["args"][:3] == ["pre-delete", f"--policy={policy}", "--timeout=100"]
    assert container["args"][-1] == "--release-revision=1"
    assert container["env"] == own["env"]
    assert container["image"] == own["image"]


def test_a_job_that_failed_stays_for_its_log_and_gives_way_to_the_next() -> None:
    job = only(render(), "Job")
    policies = job["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
    assert set(policies) == {"before-hook-creation", "hook-succeeded"}
    assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
    assert job["spec"]["template"]["spec"]["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_an_uninstall_that_is_to_ignore_exports_has_no_job() -> None:
    manifests: list[Manifest] = render({"uninstall": {"policy": "Ignore"}})
    assert not [one for one in manifests if one["kind"] == "Job"]
