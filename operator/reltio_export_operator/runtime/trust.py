"""Which certificate authorities are trusted: the public ones, and those of the CA bundle that the operator is given."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import certifi

from .settings import PREFIX, ConfigurationError

CA_BUNDLE_VARIABLE = f"{PREFIX}CA_BUNDLE"

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Trust:
    """Makes TLS contexts. All hold what is in the CA bundle, in PEM form, besides the authorities of their own."""

    bundle: str = ""
    roots: Path | None = None  # instead of the public authorities, for all connections to the outside
    aws_roots: Path | None = None  # the same, for connections to AWS; a file or a directory
    system_only: bool = False  # whether the system's authorities are the public ones; otherwise certifi's are added

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], ca_bundle: str = "") -> Trust:
        """`ca_bundle` is the path of the CA bundle; empty for none. Raises ConfigurationError.

        SSL_CERT_FILE, SSL_CERT_DIR, AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE have the meaning that they have elsewhere:
        they replace the public authorities, the first two for all connections and the others for those to AWS.
        """
        return cls(
            _certificates(Path(ca_bundle), CA_BUNDLE_VARIABLE) if ca_bundle else "",
            _roots(environment, "SSL_CERT_FILE"),
            _roots(environment, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
            system_only=bool(environment.get("SSL_CERT_DIR")),
        )

    @cached_property
    def outside(self) -> ssl.SSLContext:
        """For Reltio, and for proxies that are spoken to over TLS."""
        return self._context(self.roots)

    @cached_property
    def aws(self) -> ssl.SSLContext:
        return self._context(self.aws_roots) if self.aws_roots else self.outside

    def extend(self, context: ssl.SSLContext) -> None:
        """Add the CA bundle to a context that has authorities of its own, as that for the API server has."""
        if self.bundle:
            context.load_verify_locations(cadata=self.bundle)
            # Python 3.13 refuses certificates that lack extensions; appliances that inspect TLS often issue such ones.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT

    def _context(self, roots: Path | None) -> ssl.SSLContext:
        if roots is None:
            context = ssl.create_default_context()  # the system's, or those of SSL_CERT_DIR, which OpenSSL reads
            if not self.system_only:
                context.load_verify_locations(cafile=certifi.where())
        elif roots.is_dir():
            context = ssl.create_default_context(capath=roots)
        else:
            context = ssl.create_default_context(cafile=roots)
        self.extend(context)
        return context


def _roots(environment: Mapping[str, str], *names: str) -> Path | None:
    """What the first of the variables names that is set."""
    for name in names:
        if environment.get(name):
            path = Path(environment[name])
            if not path.is_dir():
                _certificates(path, name)
            return path
    return None


def _certificates(path: Path, variable: str) -> str:
    """The certificates of the file, in PEM form. Raises ConfigurationError."""
    try:
        found = b"\n".join(_CERTIFICATE.findall(path.read_bytes())).decode("latin-1")
        if found:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
            return found
        reason = "it holds no certificates in PEM format"
    except (ssl.SSLError, ValueError, TypeError):
        reason = "a certificate in it is damaged"
    except OSError as error:
        reason = str(error.strerror or type(error).__name__)
    raise ConfigurationError(f"{variable} names {path}, which cannot be used: {reason}. Correct or unset {variable}.")
