"""ExportTarget: which tenant is exported, to which bucket, and with which role."""

from __future__ import annotations

from typing import Literal

from .conditions import Condition, ConditionStatus, ReasonTime, is_true
from .meta import VERIFY_ANNOTATION, Model, ObjectMeta, Problem, Time

Algorithm = Literal["AES256", "aws:kms"]


NOT_UNDERSTOOD = "NotUnderstood"  # the reason of a check of a policy that the operator cannot evaluate


class CredentialsSecretRef(Model, frozen=True, kw_only=True):
    name: str
    client_id_key: str = "clientID"
    client_secret_key: str = "clientSecret"  # noqa: S105 - the name of a key, not a secret


class SecretKeyRef(Model, frozen=True, kw_only=True):
    name: str
    key: str = "externalID"


class ReltioService(Model, frozen=True, kw_only=True):
    """The Reltio tenant and the URLs of its services.

    Source of the URLs, copy of 2026-07-10:
    https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis
    """

    tenant: str
    credentials_secret_ref: CredentialsSecretRef
    environment: str | None = None
    export_service_url: str | None = None
    auth_url: str = "https://auth.reltio.com/oauth/token"

    @property
    def service_url(self) -> str:
        """URL of the Export Service, without a trailing slash."""
        url = self.export_service_url or f"https://{self.environment}.reltio.com/jobs"
        return url.rstrip("/")


class Encryption(Model, frozen=True, kw_only=True):
    algorithm: Algorithm
    kms_key_arn: str | None = None


class S3Destination(Model, frozen=True, kw_only=True):
    bucket: str
    role_arn: str
    path: str = ""
    region: str | None = None
    external_id: str | None = None
    external_id_secret_ref: SecretKeyRef | None = None
    previous_external_id: str | None = None
    previous_external_id_secret_ref: SecretKeyRef | None = None
    server_side_encryption: Encryption | None = None

    @property
    def has_previous_external_id(self) -> bool:
        return self.previous_external_id is not None or self.previous_external_id_secret_ref is not None

    @property
    def prefix(self) -> str:
        """The path as a key prefix: no leading slash; a trailing one unless empty."""
        stripped = self.path.strip("/")
        return f"{stripped}/" if stripped else ""


class Verification(Model, frozen=True, kw_only=True):
    mode: Literal["AssumeRole", "Inspect", "AssumeRoleAndInspect", "Disabled"] = "AssumeRole"
    interval: str = "1h"
    reltio_principals: tuple[str, ...] = ()
    canary: bool = False

    @property
    def assumes(self) -> bool:
        """Whether the operator assumes the role itself."""
        return self.mode in ("AssumeRole", "AssumeRoleAndInspect")

    @property
    def inspects(self) -> bool:
        """Whether the role's policies are read and evaluated."""
        return self.mode in ("Inspect", "AssumeRoleAndInspect")


class TargetSpec(Model, frozen=True, kw_only=True):
    reltio: ReltioService
    s3: S3Destination
    verification: Verification = Verification()
    max_concurrent_jobs: int = 4
    max_foreign_tasks: int | None = None
    suspend: bool = False


class Check(Model, frozen=True, kw_only=True):
    """The result of one check."""

    name: str
    status: ConditionStatus
    reason: str = ""
    message: str = ""
    remedy: str = ""
    last_transition_time: Time | None = None


class TargetStatus(Model, frozen=True, kw_only=True):
    observed_generation: int | None = None
    message: str | None = None
    conditions: tuple[Condition, ...] = ()
    reason_times: tuple[ReasonTime, ...] = ()
    checks: tuple[Check, ...] = ()
    last_verification_time: Time | None = None
    last_security_test_time: Time | None = None
    last_handled_verify_request: str | None = None
    external_id_in_use: Literal["Current", "Previous"] | None = None
    session_policy: Literal["Path", "Bucket", "None"] | None = None
    operator: str | None = None  # namespace/name of the Lease of the operator that works on the target
    canary_job: str | None = None
    active_jobs: int | None = None
    pending_jobs: int | None = None


class ExportTarget(Model, frozen=True, kw_only=True):
    metadata: ObjectMeta
    spec: TargetSpec
    status: TargetStatus = TargetStatus()
    status_problems: tuple[Problem, ...] = ()  # what of the status was not understood when it was decoded

    @property
    def verify_request(self) -> str | None:
        """The value of the annotation that requests a verification; each new value is a new request."""
        return self.metadata.annotations.get(VERIFY_ANNOTATION, "")[:256] or None

    @property
    def is_ready(self) -> bool:
        """Whether condition Ready is true, and was set for the current spec."""
        ready = next((c for c in self.status.conditions if c.type == "Ready"), None)
        return (
            is_true(self.status.conditions, "Ready")
            and ready is not None
            and ready.observed_generation == self.metadata.generation
        )


def leaves_open(target: ExportTarget) -> bool:
    """Whether the target is not Ready only because of policies that the operator cannot evaluate.

    An export shows whether they allow what exports need, and the canary is one.
    """
    ready = next((c for c in target.status.conditions if c.type == "Ready"), None)
    return (
        ready is not None
        and (ready.status, ready.reason) == ("False", NOT_UNDERSTOOD)
        and ready.observed_generation == target.metadata.generation
    )


def partition_of(role_arn: str) -> str:
    """The AWS partition of a role: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    return role_arn.split(":")[1]
