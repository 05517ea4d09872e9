"""Files with CA certificates that the environment names."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from reltio_export_operator.runtime.certificates import check_certificate_files
from reltio_export_operator.runtime.settings import ConfigurationError


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_file_that_is_absent_or_no_certificate_is_refused_with_its_variable(tmp_path: Path, name: str) -> None:
    for path, reason in ((tmp_path / "absent", "No such file"), (Path(__file__), "no certificates in PEM format")):
        with pytest.raises(ConfigurationError, match=reason) as raised:
            check_certificate_files({name: str(path)})
        assert str(raised.value).startswith(f"{name} names {path}, which cannot be used")


def test_certificates_directories_and_empty_variables_pass(tmp_path: Path) -> None:
    bundle = ssl.get_default_verify_paths().cafile
    if bundle is not None:
        check_certificate_files({"SSL_CERT_FILE": bundle})
    check_certificate_files({"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": str(tmp_path)})
    check_certificate_files({})
