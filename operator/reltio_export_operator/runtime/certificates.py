"""Files with CA certificates that the environment names: checked before a client stumbles over one."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from .settings import ConfigurationError

# httpx and OpenSSL read the first; botocore the other two.
_VARIABLES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


def check_certificate_files(environment: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigurationError for a variable that names no file with certificates."""
    for name in _VARIABLES:
        path = environment.get(name, "")
        if not path or os.path.isdir(path):  # noqa: PTH112 - botocore and requests take a directory too
            continue
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cafile=path)
        except ssl.SSLError:
            reason = "it holds no certificates in PEM format"
        except OSError as error:
            reason = str(error.strerror or type(error).__name__)
        else:
            continue
        raise ConfigurationError(f"{name} names {path}, which cannot be used: {reason}. Correct or unset {name}.")
