"""Tries what an export needs, one named check at a time."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Literal

from ...api.target import Check, ExportTarget, partition_of
from ...aws.errors import AwsError
from ...aws.roles import RoleReader
from ...aws.sessions import AssumedRole, RoleSessions
from ...aws.store import ObjectStore
from ...kube.client import SecretError
from ...reltio.errors import ReltioError, Unreachable, UnusableURL
from ...targets import readiness
from ...targets.permissions import export_policy
from ...targets.role_checks import WANTED_SECONDS, Role, check_role, check_session_duration, session_too_short
from ..access import Access, snapshot

_CHAINED = "role chaining"
_TOO_LONG = "MaxSessionDuration"
_UNENCRYPTED = ("s3:ListBucket", "s3:DeleteObject")  # actions that need no key


class Prober:
    """The checks of one target. Each method yields verdicts as they come, so that a time-out keeps those before it."""

    def __init__(self, access: Access, sessions: RoleSessions, target: ExportTarget) -> None:
        self._access = access
        self._sessions = sessions
        self._roles = RoleReader(sessions)
        self._target = target
        self._s3 = target.spec.s3
        self._who = target.metadata.uid or secrets.token_hex(8)
        self.external_id: str | None = None
        self.in_use: Literal["Current", "Previous"] | None = None  # which external ID works, where there are two
        self.tested = False  # whether the rare tests were made

    async def reltio(self) -> AsyncIterator[Check]:
        token = "ReltioToken"  # noqa: S105 - the name of a check
        service = snapshot(self._target)
        try:
            client = await self._access.reltio(self._target.metadata.namespace, service, fresh=True)
            await client.authenticate()
        except SecretError as error:
            remedy = "Create or correct it, or correct spec.reltio.credentialsSecretRef."
            yield readiness.check_failed(token, "SecretUnusable", str(error), remedy)
            return
        except ReltioError as error:
            unreachable = isinstance(error, Unreachable | UnusableURL)
            yield readiness.check_failed(
                "ReltioReachable" if unreachable else token, error.reason, error.message, error.remedy
            )
            return
        yield readiness.check_passed(token)
        try:
            await client.ping_tenant()
        except ReltioError as error:
            unreachable = isinstance(error, Unreachable | UnusableURL)
            name = "ReltioReachable" if unreachable else "ReltioTenant"
            yield readiness.check_failed(name, error.reason, error.message, error.remedy)
            return
        yield readiness.check_passed("ReltioReachable")
        yield readiness.check_passed("ReltioTenant")

    async def aws(self, *, advise: bool) -> AsyncIterator[Check]:
        """What the target's mode asks for: try the role, read it, and then make the rare tests when they are due."""
        assumed = False
        if self._target.spec.verification.assumes:
            async for check in self._tried():
                assumed = assumed or (check.name, check.status) == ("AssumeRole", "True")
                yield check
        if self._target.spec.verification.inspects:
            async for check in self._inspected():
                yield check
        if assumed and advise:
            async for check in self._advice():
                yield check
            self.tested = True

    async def _tried(self) -> AsyncIterator[Check]:
        """Assume the role and try each action under the path, with a session that may do nothing else."""
        try:
            role = await self._assume()
        except SecretError as error:
            yield readiness.check_failed("AssumeRole", "SecretUnusable", str(error), self._secret_remedy)
            return
        except AwsError as error:
            yield readiness.check_failed("AssumeRole", error.reason, error.message, error.remedy)
            return
        told = "Only the previous external ID works; the role's trust policy does not name the current one yet."
        yield readiness.check_passed("AssumeRole", told if self.in_use == "Previous" else "")
        store = ObjectStore(self._sessions, role, self._s3.bucket)
        async for check in self._bucket(store):
            yield check
            if check.status == "False":
                return
        async for check in self._actions(store):
            yield check

    async def _assume(self) -> AssumedRole:
        """Assume with the current external ID, or else with the previous one. Raises AwsError, SecretError."""
        current = await self._external_id("Current")
        try:
            role = await self._assume_with(current)
        except AwsError as error:
            if error.reason != "AssumeRoleDenied" or not self._s3.has_previous_external_id:
                raise
            previous = await self._external_id("Previous")
            role = await self._assume_with(previous)
            self.external_id, self.in_use = previous, "Previous"
            return role
        self.external_id = current
        self.in_use = "Current" if self._s3.has_previous_external_id else None
        return role

    async def _external_id(self, which: Literal["Current", "Previous"]) -> str | None:
        field = "previousExternalIDSecretRef" if which == "Previous" else "externalIDSecretRef"
        self._secret_remedy = f"Create or correct it, or correct spec.s3.{field}."
        return await self._access.external_id_of(self._target, which)

    async def _assume_with(self, external_id: str | None, **more: int) -> AssumedRole:
        """A fresh session that may do no more than exports need."""
        encryption = self._s3.server_side_encryption
        pinned = export_policy(
            self._s3.bucket,
            self._s3.prefix,
            partition=partition_of(self._s3.role_arn),
            kms_key_arn=encryption.kms_key_arn if encryption else None,
            any_kms_key=True,
        )
        return await self._sessions.assume(
            self._s3.role_arn, external_id, region=self._s3.region, policy=pinned, fresh=True, **more
        )

    async def _bucket(self, store: ObjectStore) -> AsyncIterator[Check]:
        """Whether the bucket exists, where the target says."""
        asked = self._s3.region
        try:
            region = await store.region()
        except AwsError as error:
            if error.reason == "AccessDenied":
                yield readiness.check_passed("Bucket", "It exists; its region was not told.")
            else:
                yield readiness.check_failed("Bucket", error.reason, error.message, error.remedy)
            return
        if asked and region and asked != region:
            yield readiness.check_failed(
                "Bucket",
                "BucketRegionMismatch",
                f"Bucket {self._s3.bucket} is in {region}, not in {asked}.",
                f"Set spec.s3.region of the ExportTarget to {region}, or leave it out.",
            )
            return
        yield readiness.check_passed("Bucket", f"It is in {region}." if region else "")

    async def _actions(self, store: ObjectStore) -> AsyncIterator[Check]:
        encryption = self._s3.server_side_encryption
        encrypted = True
        async for action, failure in store.probe(self._s3.prefix, encryption, who=self._who):
            if failure is None:
                yield readiness.check_passed(action.removeprefix("s3:"))
            elif failure.reason == "KMSDenied" and encryption is not None:
                encrypted = False
                yield readiness.check_failed("Encryption", failure.reason, failure.message, failure.remedy)
            else:
                encrypted = encrypted and action in _UNENCRYPTED
                yield readiness.check_failed(
                    action.removeprefix("s3:"), failure.reason, failure.message, failure.remedy
                )
        if encryption is not None and encrypted:
            yield readiness.check_passed("Encryption", f"Objects can be written and read with {encryption.algorithm}.")

    async def _advice(self) -> AsyncIterator[Check]:
        """The rare tests: that nobody gets in without the external ID, and what Reltio recommends."""
        yield await self._refuses("WrongExternalIDRefused", f"{secrets.token_hex(16)}")
        if self.external_id is None:
            yield readiness.check_failed(
                "MissingExternalIDRefused",
                "NoExternalID",
                "The target has no external ID, so the role trusts everybody who can make its principal act.",
                "Give the target an external ID and let the role's trust policy ask for it.",
            )
        else:
            yield await self._refuses("MissingExternalIDRefused", None)
        yield await self._session_length()
        yield await self._public_access()

    async def _refuses(self, name: str, external_id: str | None) -> Check:
        try:
            role = await self._assume_with(external_id)
        except AwsError as error:
            if error.reason == "AssumeRoleDenied":
                return readiness.check_passed(name)
            return readiness.check_unknown(name, error.reason, error.message, error.remedy)
        self._sessions.forget(role)
        how = "without an external ID" if external_id is None else "with an invented external ID"
        return readiness.check_failed(
            name,
            "ExternalIDNotRequired",
            f"The role can be assumed {how}: anybody who can make its principal act could write to this bucket.",
            "Add the condition StringEquals sts:ExternalId to the role's trust policy.",
        )

    async def _session_length(self) -> Check:
        """By asking for it; for an operator that is a role itself AWS caps this at an hour, so IAM is asked instead."""
        name = "SessionDuration"
        try:
            role = await self._assume_with(self.external_id, duration=WANTED_SECONDS)
        except AwsError as error:
            if _CHAINED in error.message:
                return await self._session_length_from_iam()
            if _TOO_LONG in error.message:
                return session_too_short()
            return readiness.check_unknown(name, error.reason, error.message, error.remedy)
        self._sessions.forget(role)
        return check_session_duration(WANTED_SECONDS)

    async def _session_length_from_iam(self) -> Check:
        try:
            return check_session_duration(await self._roles.longest_session(self._s3.role_arn))
        except AwsError:
            return readiness.check_unknown(
                "SessionDuration",
                "NotReadable",
                "The operator is a role itself, so AWS grants it an hour at most; it may not read the role's setting.",
                "Allow the operator iam:GetRole on the role, or see yourself that MaxSessionDuration is 43200.",
            )

    async def _public_access(self) -> Check:
        name = "PublicAccessBlocked"
        try:
            role = await self._sessions.assume(self._s3.role_arn, self.external_id, region=self._s3.region)
            blocked = await ObjectStore(self._sessions, role, self._s3.bucket).blocks_public_access()
        except AwsError:
            text = "The role may not read the bucket's public access block, which exports do not need."
            return readiness.check_unknown(name, "NotReadable", text)
        if blocked:
            return readiness.check_passed(name)
        return readiness.check_failed(
            name,
            "PublicAccessPossible",
            f"Bucket {self._s3.bucket} does not block public access.",
            "Turn on all four settings of Block Public Access for the bucket.",
        )

    async def _inspected(self) -> AsyncIterator[Check]:
        """Read the role's policies and judge them for Reltio's principals.

        The previous external ID is good enough where the trust policy does not know the current one yet.
        """
        try:
            external_id = self.external_id or await self._external_id("Current")
            described = await self._roles.describe(self._s3.role_arn)
        except SecretError as error:
            yield readiness.check_failed("TrustsReltio", "SecretUnusable", str(error), self._secret_remedy)
            return
        except AwsError as error:
            if error.reason == "RoleNotFound":
                yield readiness.check_failed("TrustsReltio", error.reason, error.message, error.remedy)
                return
            remedy = "Allow the operator iam:GetRole, iam:ListRolePolicies, iam:GetRolePolicy, "
            remedy += "iam:ListAttachedRolePolicies, iam:GetPolicy and iam:GetPolicyVersion."
            yield readiness.check_failed("TrustsReltio", "RoleNotReadable", error.message, remedy)
            return
        role = Role(self._s3.role_arn, described.trust, tuple(described.permissions), described.max_session_seconds)
        checks = check_role(self._target, role, external_id)
        if checks[0].status == "False" and self.in_use is None and self._s3.has_previous_external_id:
            with contextlib.suppress(SecretError):
                checks = self._better(checks, check_role(self._target, role, await self._external_id("Previous")))
        for check in checks:
            yield check

    def _better(self, current: list[Check], previous: list[Check]) -> list[Check]:
        """Of what was read with either external ID, that with which Reltio gets in."""
        if previous[0].status == "False":
            return current
        self.in_use = "Previous"
        return previous
