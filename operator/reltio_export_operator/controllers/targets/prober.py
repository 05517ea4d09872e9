"""Makes the checks of a target, one at a time."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Literal

from ...api.foreign import own
from ...api.target import Check, ExportTarget, partition_of
from ...aws.errors import AwsError
from ...aws.messages import OF_KEYS
from ...aws.owner import Owner
from ...aws.roles import RoleReader
from ...aws.sessions import SESSION_SECONDS, AssumedRole, RoleSessions
from ...aws.store import ENCRYPTION, ObjectStore
from ...kube.client import SecretError, SecretNotAllowedError
from ...reltio.errors import ReltioError, Unreachable, UnusableURL
from ...targets import messages
from ...targets.checks import BUCKET_SETTINGS, OPERATOR_CREDENTIALS, SETTING_NOT_READABLE, BucketSetting
from ...targets.permissions import bucket_policy, export_policy
from ...targets.readiness import call_failed, call_unknown, check_failed, check_passed, check_unknown
from ...targets.role_checks import WANTED_SECONDS, Role, check_role, check_session_duration, session_too_short
from ..access import Access, snapshot

# Words in the messages of AssumeRole: https://repost.aws/knowledge-center/iam-role-chaining-limit, and the setting's
# name in https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html. With other words the check is Unknown.
_CHAINED = "role chaining"
_TOO_LONG = "MaxSessionDuration"
_UNENCRYPTED = ("s3:ListBucket", "s3:DeleteObject")  # actions that need no key


class Prober:
    """The checks of one target. Each method yields results as they come, so that a timeout keeps those before it."""

    def __init__(self, access: Access, sessions: RoleSessions, target: ExportTarget) -> None:
        self._access = access
        self._sessions = sessions
        self._owner = Owner(*target.metadata.key)
        self._roles = RoleReader(sessions, self._owner)
        self._target = target
        self._s3 = target.spec.s3
        self._probe_id = target.metadata.uid or secrets.token_hex(8)
        self.external_id: str | None = None
        self.in_use: Literal["Current", "Previous"] | None = None  # which external ID works, when there are two
        self.session_policy: Literal["Path", "Bucket", "None"] | None = None  # how the session of the role was limited
        self.made_advisory_checks = False

    async def reltio(self) -> AsyncIterator[Check]:
        token = "ReltioToken"  # noqa: S105 - the name of a check
        service = snapshot(self._target)
        try:
            client = await self._access.reltio(self._target.metadata.namespace, service, fresh=True)
            await client.authenticate()
        except SecretError as error:
            yield _secret_failed(token, error, "spec.reltio.credentialsSecretRef")
            return
        except ReltioError as error:
            unreachable = isinstance(error, Unreachable | UnusableURL)
            yield call_failed("ReltioReachable" if unreachable else token, error.reason, error.message, error.remedy)
            return
        yield check_passed(token)
        try:
            await client.ping_tenant()
        except ReltioError as error:
            unreachable = isinstance(error, Unreachable | UnusableURL)
            name = "ReltioReachable" if unreachable else "ReltioTenant"
            yield call_failed(name, error.reason, error.message, error.remedy)
            return
        yield check_passed("ReltioReachable")
        yield check_passed("ReltioTenant")

    async def aws(self, *, advisory: bool) -> AsyncIterator[Check]:
        """What the target's mode asks for: try the role, read it, and then make the rare tests when they are due."""
        assumed = False
        if self._target.spec.verification.assumes:
            async for check in self._use_role():
                assumed = assumed or (check.name, check.status) == ("AssumeRole", "True")
                yield check
        if self._target.spec.verification.inspects:
            async for check in self._read_role():
                yield check
        if assumed and advisory:
            async for check in self._advisory_checks():
                yield check
            self.made_advisory_checks = True

    async def _use_role(self) -> AsyncIterator[Check]:
        """Assume the role and try each action under the path, with a session that may do nothing else."""
        try:
            role = await self._assume()
        except SecretError as error:
            yield _secret_failed("AssumeRole", error, self._secret_field)
            return
        except AwsError as error:
            yield self._own_credentials(error)
            if not error.own_credentials:
                yield call_failed("AssumeRole", error.reason, error.message, error.remedy)
            return
        yield self._own_credentials()
        yield check_passed("AssumeRole", self._about_session(role))
        store = ObjectStore(self._sessions, role, self._s3.bucket)
        async for check in self._check_bucket(store):
            yield check
            if check.status == "False":
                return
        async for check in self._try_actions(store):
            yield check

    def _own_credentials(self, error: AwsError | None = None) -> Check:
        """What the result of a call with the operator's own credentials shows about these."""
        if error is None or not error.own_credentials:
            caller = error.caller if error is not None else ""
            return check_passed(
                OPERATOR_CREDENTIALS, messages.OPERATOR_IS(caller=own(caller)).message if caller else ""
            )
        return call_failed(OPERATOR_CREDENTIALS, error.reason, error.message, error.remedy)

    def _about_session(self, role: AssumedRole) -> str:
        """What a person should know of the session, and how it is limited (`session_policy`)."""
        limits: dict[int | None, Literal["Path", "Bucket", "None"]] = {0: "Path", 1: "Bucket", None: "None"}
        self.session_policy = limits[role.policy]
        said = {"Path": (), "Bucket": (messages.SMALLER_SESSION_POLICY,), "None": (messages.NO_SESSION_POLICY,)}
        about = [*said[self.session_policy]]
        if self.in_use == "Previous":
            about.insert(0, messages.ONLY_PREVIOUS_EXTERNAL_ID)
        return " ".join(reason().message for reason in about)

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
        self._secret_field = f"spec.s3.{field}"
        return await self._access.external_id_of(self._target, which)

    async def _assume_with(self, external_id: str | None, *, duration: int = SESSION_SECONDS) -> AssumedRole:
        """A fresh session that may do no more than exports need, if AWS has room for a policy that limits it."""
        encryption = self._s3.server_side_encryption
        partition = partition_of(self._s3.role_arn)
        pinned = export_policy(
            self._s3.bucket,
            self._s3.prefix,
            partition=partition,
            kms_key_arn=encryption.kms_key_arn if encryption else None,
            any_kms_key=True,
        )
        return await self._sessions.assume(
            self._owner,
            self._s3.role_arn,
            external_id,
            region=self._s3.region,
            policies=(pinned, bucket_policy(self._s3.bucket, partition=partition)),
            duration=duration,
            fresh=True,
        )

    async def _check_bucket(self, store: ObjectStore) -> AsyncIterator[Check]:
        """Whether the bucket exists, where the target says."""
        asked = self._s3.region
        try:
            region = await store.region()
        except AwsError as error:
            if error.reason == "AccessDenied":
                yield check_passed("Bucket", messages.REGION_UNKNOWN().message)
            else:
                yield call_failed("Bucket", error.reason, error.message, error.remedy)
            return
        if asked and region and asked != region:
            yield check_failed(
                "Bucket",
                messages.BUCKET_REGION_MISMATCH,
                bucket=self._s3.bucket,
                region=region,
                configured=asked,
            )
            return
        yield check_passed("Bucket", messages.IN_REGION(region=region).message if region else "")

    async def _try_actions(self, store: ObjectStore) -> AsyncIterator[Check]:
        encryption = self._s3.server_side_encryption
        readable = True
        async for action, failure in store.probe(self._s3.prefix, encryption, name=self._probe_id):
            name = action.removeprefix("s3:")
            if failure is None and name != ENCRYPTION:
                yield check_passed(name)
            elif failure is None:
                if encryption is not None and readable:
                    yield check_passed(name, messages.ENCRYPTED(algorithm=encryption.algorithm).message)
            else:
                readable = readable and action in _UNENCRYPTED
                name = ENCRYPTION if failure.reason in OF_KEYS and encryption is not None else name
                yield call_failed(name, failure.reason, failure.message, failure.remedy)

    async def _advisory_checks(self) -> AsyncIterator[Check]:
        """The rare tests: that nobody gets in without the external ID, and what Reltio recommends."""
        yield await self._check_refusal("WrongExternalIDRefused", f"{secrets.token_hex(16)}")
        if self.external_id is None:
            yield check_failed("MissingExternalIDRefused", messages.NO_EXTERNAL_ID)
        else:
            yield await self._check_refusal("MissingExternalIDRefused", None)
        yield await self._check_session_duration()
        for setting in BUCKET_SETTINGS:
            yield await self._check_setting(setting)

    async def _check_refusal(self, name: str, external_id: str | None) -> Check:
        try:
            role = await self._assume_with(external_id)
        except AwsError as error:
            if error.reason == "AssumeRoleDenied":
                return check_passed(name)
            return call_unknown(name, error.reason, error.message, error.remedy)
        self._sessions.forget(role)
        how = "without an external ID" if external_id is None else "with an invented external ID"
        return check_failed(name, messages.EXTERNAL_ID_NOT_REQUIRED, how=how)

    async def _check_session_duration(self) -> Check:
        """By asking for it; for an operator that is a role itself AWS caps this at an hour, so IAM is asked instead."""
        name = "SessionDuration"
        try:
            role = await self._assume_with(self.external_id, duration=WANTED_SECONDS)
        except AwsError as error:
            if error.said.holds(_CHAINED):
                return await self._session_duration_from_iam()
            if error.said.holds(_TOO_LONG):
                return session_too_short()
            return call_unknown(name, error.reason, error.message, error.remedy)
        self._sessions.forget(role)
        return check_session_duration(WANTED_SECONDS)

    async def _session_duration_from_iam(self) -> Check:
        try:
            return check_session_duration(await self._roles.max_session_duration(self._s3.role_arn))
        except AwsError as error:
            if error.reason in ("AccessDenied", "RoleNotFound"):
                return check_unknown("SessionDuration", messages.SESSION_NOT_READABLE)
            return call_unknown("SessionDuration", error.reason, error.message, error.remedy)

    async def _check_setting(self, setting: BucketSetting) -> Check:
        """With a session that may do all that the role may: exports do not need to read the setting."""
        try:
            role = await self._sessions.assume(self._owner, self._s3.role_arn, self.external_id, region=self._s3.region)
            store = ObjectStore(self._sessions, role, self._s3.bucket)
            answer = await store.setting(setting.call, setting.permission, absent=setting.absent)
        except AwsError as error:
            if error.reason == "AccessDenied":
                return check_unknown(setting.name, SETTING_NOT_READABLE, action=setting.permission)
            return call_unknown(setting.name, error.reason, error.message, error.remedy)
        if setting.is_good(answer):
            return check_passed(setting.name)
        return check_failed(setting.name, setting.bad, bucket=self._s3.bucket)

    async def _read_role(self) -> AsyncIterator[Check]:
        """Read the role's policies and judge them for Reltio's principals.

        The previous external ID is good enough where the trust policy does not know the current one yet.
        """
        try:
            external_id = self.external_id or await self._external_id("Current")
            described = await self._roles.describe(self._s3.role_arn)
        except SecretError as error:
            yield _secret_failed("TrustsReltio", error, self._secret_field)
            return
        except AwsError as error:
            yield self._own_credentials(error)
            if error.own_credentials:
                return
            if error.reason == "AccessDenied":
                yield check_failed("TrustsReltio", messages.ROLE_NOT_READABLE, error=error.message)
            else:
                yield call_failed("TrustsReltio", error.reason, error.message, error.remedy)
            return
        yield self._own_credentials()
        role = Role(self._s3.role_arn, described.trust, tuple(described.permissions), described.max_session_seconds)
        checks = check_role(self._target, role, external_id)
        if checks[0].status == "False" and self.in_use is None and self._s3.has_previous_external_id:
            with contextlib.suppress(SecretError):
                checks = self._better_of(checks, check_role(self._target, role, await self._external_id("Previous")))
        for check in checks:
            yield check

    def _better_of(self, current: list[Check], previous: list[Check]) -> list[Check]:
        """Of what was read with either external ID, that with which Reltio gets in."""
        if previous[0].status == "False":
            return current
        self.in_use = "Previous"
        return previous


def _secret_failed(name: str, error: SecretError, field: str) -> Check:
    """A check that failed, because the Secret that the field names cannot be used."""
    if isinstance(error, SecretNotAllowedError):
        return check_failed(name, messages.SECRET_NOT_ALLOWED, secret=error.secret, command=error.command)
    return check_failed(name, messages.SECRET_UNUSABLE, error=own(error), field=field)
