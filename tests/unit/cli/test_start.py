"""`reltio-export-operator run` as a person starts it: mistakes end in one sentence, and exit code 2."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

OPERATOR = Path(__file__).parents[3] / "operator"


def start(tmp_path: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a process whose environment is that of a fresh shell."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR), "HOME": str(tmp_path), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "reltio_export_operator", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "No cluster is configured"),
        ({"RELTIO_EXPORT_WORKERS": "0"}, "RELTIO_EXPORT_WORKERS must be a whole number"),
        ({"RELTIO_EXPORT_LOG_FORMAT": "xml"}, "RELTIO_EXPORT_LOG_FORMAT must be one of json, text"),
        ({"RELTIO_EXPORT_POLINTERVAL": "5"}, "Did you mean RELTIO_EXPORT_POLL_INTERVAL_SECONDS?"),
        ({"RELTIO_EXPORT_CONFIG": "/no/such"}, "Cannot read the settings file /no/such"),
        ({"SSL_CERT_FILE": "/no/such"}, "SSL_CERT_FILE names /no/such"),
        ({"RELTIO_EXPORT_CA_BUNDLE": "/no/such"}, "RELTIO_EXPORT_CA_BUNDLE names /no/such, which cannot be used"),
        ({"https_proxy": "http://user:pa#ss@proxy:3128"}, "https_proxy is not the URL of a proxy. Write it as "),
        ({"HTTP_PROXY": "socks5://proxy:1080"}, "HTTP_PROXY names a SOCKS proxy, which is not supported."),
        ({"AWS_REGION": "eu west 1"}, "AWS_REGION is 'eu west 1', which is not an AWS region."),
    ],
)
def test_a_mistake_is_one_json_line_on_stderr_and_exit_code_2(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    code, out, err = start(tmp_path, "run", **variables)
    assert (code, out) == (2, "")
    *before, record = [json.loads(line) for line in err.splitlines()]
    assert [line["level"] for line in before] in ([], ["INFO"])
    assert record["level"] == "CRITICAL"
    assert sentence in record["message"]


def test_the_first_line_has_the_version_and_the_settings(tmp_path: Path) -> None:
    _, _, err = start(tmp_path, "run", RELTIO_EXPORT_NAMESPACES="sales,care", RELTIO_EXPORT_LOG_FORMAT="json")
    line = json.loads(err.splitlines()[0])
    assert line["message"].startswith("Starting reltio-export-operator ")
    assert line["message"].endswith(
        "Settings that differ from the defaults: namespaces=['sales', 'care']. Network: no proxy."
    )
    assert line["namespaces"] == ["sales", "care"]
    assert line["settings"] == {"namespaces": ["sales", "care"]}
    assert {"version", "python", "identity"} < line.keys()


def test_the_first_line_has_the_proxies_without_their_credentials(tmp_path: Path) -> None:
    proxies = {"HTTPS_PROXY": "http://user:hunter2@proxy:3128", "NO_PROXY": "fd00:10:96::/112,[::1]"}
    _, _, err = start(tmp_path, "run", **proxies, AWS_REGION="eu-west-1")
    line = json.loads(err.splitlines()[0])
    assert line["network"] == {
        "httpsProxy": "http://proxy:3128",
        "noProxy": "fd00:10:96::/112,[::1]",
        "region": "eu-west-1",
    }
    assert "Network: httpsProxy=http://proxy:3128, noProxy=" in line["message"]
    assert "hunter2" not in err


def test_in_text_format_a_mistake_is_a_plain_line(tmp_path: Path) -> None:
    code, _, err = start(tmp_path, "run", RELTIO_EXPORT_LOG_FORMAT="text", RELTIO_EXPORT_WORKERS="0")
    assert code == 2
    (line,) = err.splitlines()
    assert line.endswith("CRITICAL RELTIO_EXPORT_WORKERS must be a whole number from 1 to 1000, not 0.")


def test_a_port_that_is_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
    )
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = start(tmp_path, "run", KUBECONFIG=str(tmp_path / "config"), RELTIO_EXPORT_METRICS_PORT=port)
    assert code == 2
    assert f"Cannot listen on port {port} for health and metrics: Address already in use." in err
    assert "RELTIO_EXPORT_METRICS_PORT" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["demo", "sandbox"])
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"RELTIO_EXPORT_WORKERS": "0"}, "RELTIO_EXPORT_WORKERS must be a whole number"),
        ({"RELTIO_EXPORT_POLINTERVAL": "5"}, "Did you mean RELTIO_EXPORT_POLL_INTERVAL_SECONDS?"),
        ({"SSL_CERT_FILE": "/no/such"}, "SSL_CERT_FILE names /no/such"),
    ],
)
def test_the_sandbox_refuses_what_its_operator_would_refuse(
    tmp_path: Path, command: str, variables: dict[str, str], sentence: str
) -> None:
    own = ["--directory", str(tmp_path / "sandbox")] if command == "sandbox" else []
    code, _, err = start(tmp_path, command, "--examples", str(OPERATOR.parent / "examples"), *own, **variables)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("Error: ")
    assert sentence in line


def test_a_port_of_the_sandbox_that_is_in_use_is_named_with_its_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        examples = str(OPERATOR.parent / "examples")
        code, _, err = start(
            tmp_path, "sandbox", "--port", port, "--examples", examples, "--directory", str(tmp_path / "sandbox")
        )
    assert code == 2
    (line,) = err.splitlines()
    assert f"cannot listen on port {port}: Address already in use. Choose another one with --port." in line


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_without_its_libraries_the_sandbox_says_how_to_install_them(tmp_path: Path, command: str) -> None:
    hidden = "import sys; sys.modules['moto'] = sys.modules['cel'] = sys.modules['flask'] = None; "
    run = "from reltio_export_operator.cli.main import main; main(prog_name='reltio-export-operator')"
    done = subprocess.run(
        [sys.executable, "-c", hidden + run, command, "--examples", str(tmp_path)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: The sandbox is not installed")
    assert "make demo" in line
