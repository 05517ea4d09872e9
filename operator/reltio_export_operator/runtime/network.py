"""How this process reaches the outside: proxies, certificate authorities and AWS region, read once at the start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .proxies import ProxyPolicy
from .settings import ConfigurationError
from .trust import CA_BUNDLE_VARIABLE, Trust

_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Network:
    """What all HTTP clients of the process share. The default: no proxy, the public authorities, no region."""

    proxies: ProxyPolicy = field(default_factory=ProxyPolicy)
    trust: Trust = field(default_factory=Trust)
    region: str | None = None  # where AWS is called when a target does not say it; None: what the AWS profile says

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, ca_bundle: str | None = None) -> Network:
        """Read the environment. Raises ConfigurationError.

        `ca_bundle` is the path of the CA bundle where the settings have it already.
        """
        if ca_bundle is None:
            ca_bundle = environment.get(CA_BUNDLE_VARIABLE, "")
        return cls(
            ProxyPolicy.from_environment(environment),
            Trust.from_environment(environment, ca_bundle),
            _region(environment),
        )

    def describe(self) -> dict[str, str]:
        """What differs from the default, without credentials, for the log."""
        shown = self.proxies.describe()
        if self.region:
            shown["region"] = self.region
        return shown


def _region(environment: Mapping[str, str]) -> str | None:
    """AWS_REGION, else AWS_DEFAULT_REGION: the order of the AWS SDKs and of the AWS CLI. boto3 reads only the second.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    """
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        region = environment.get(name, "").strip()
        if region:
            if not _REGION.fullmatch(region):
                raise ConfigurationError(f"{name} is {region!r}, which is not an AWS region. Write it as eu-west-1.")
            return region
    return None
