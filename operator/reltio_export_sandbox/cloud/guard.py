"""The rules of AWS that moto leaves out. `docs/sandbox-cloud.md` says how moto behaves without them."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import unescape

from . import account
from .account import Caller
from .answers import Refusal, not_authorized, wrong_region
from .evaluator import Decision, Request, decide, is_public, parsed
from .operations import Signed

_CHAIN_LIMIT = 3600  # seconds
_DEFAULT_SESSION = 3600
_SSE = "x-amz-server-side-encryption"
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
_ANY_REGION = ("s3:GetBucketLocation", "s3:CreateBucket", "s3:ListAllMyBuckets")


@dataclass
class Settings:
    """What may be changed while the account is in use."""

    chained: list[str] = field(default_factory=list)  # ARNs of principals treated as if they were roles themselves
    disabled_keys: list[str] = field(default_factory=list)  # ARNs of KMS keys


def check(signed: Signed, body: bytes, settings: Settings) -> None:
    """Raises Refusal for what AWS would refuse; silence leaves the request to moto, which may refuse it still."""
    caller = account.caller(signed.key_id)
    if caller is None:
        return
    if caller.has_expired:
        status = 400 if signed.service == "s3" else 403
        code = "ExpiredToken" if signed.service == "s3" else "ExpiredTokenException"
        raise Refusal(status, code, "The provided token has expired.")
    if signed.service == "sts" and signed.form.get("Action") == "AssumeRole":
        _check_assume_role(signed, caller, settings)
    elif signed.service == "s3":
        _check_s3(signed, caller, body, settings)
    elif signed.form.get("Action") != "GetCallerIdentity":  # which nobody can be denied
        action = f"sts:{signed.form.get('Action')}"
        if _identity_decision(caller, Request(caller.principals, action, "*", {})) is not Decision.ALLOW:
            raise not_authorized(caller.arn, action, "*")


def check_anonymous(signed: Signed) -> None:
    """Raises Refusal for a request without a signature, unless the bucket's policy lets everybody in."""
    bucket = account.bucket(signed.bucket)
    block = bucket.public_access_block if bucket is not None else None
    if bucket is not None and bucket.policy is not None and not (block and block.restrict_public_buckets):
        request = Request((), signed.s3_action, signed.resource, _context(signed, None))
        if decide([parsed(bucket.policy)], request) is Decision.ALLOW:
            return
    raise Refusal(403, "AccessDenied", "Access Denied")


def _check_assume_role(signed: Signed, caller: Caller, settings: Settings) -> None:
    arn = signed.form.get("RoleArn", "")
    context = {"aws:principalarn": caller.role or caller.arn, "sts:rolesessionname": signed.form["RoleSessionName"]}
    if "ExternalId" in signed.form:
        context["sts:externalid"] = signed.form["ExternalId"]
    tags = _session_tags(signed)
    context |= {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    role = account.role(arn)
    for action in ("sts:AssumeRole", *(["sts:TagSession"] if tags else [])):
        request = Request(caller.principals, action, arn, context)
        trusted = role is not None and decide([role.trust], request) is Decision.ALLOW
        # The sandbox's one account stands for several: both sides must allow, as between accounts.
        if not trusted or _identity_decision(caller, request) is not Decision.ALLOW:
            raise not_authorized(caller.arn, action, arn)
    assert role is not None
    seconds = int(signed.form.get("DurationSeconds", _DEFAULT_SESSION))
    if seconds > _CHAIN_LIMIT and (caller.role or caller.arn in settings.chained):
        raise Refusal(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    if seconds > role.max_session_seconds:
        raise Refusal(
            400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


def _session_tags(signed: Signed) -> dict[str, str]:
    """The tags that the request asks for, by their keys."""
    numbers = itertools.takewhile(lambda number: f"Tags.member.{number}.Key" in signed.form, itertools.count(1))
    return {signed.form[f"Tags.member.{n}.Key"]: signed.form.get(f"Tags.member.{n}.Value", "") for n in numbers}


def _check_s3(signed: Signed, caller: Caller, body: bytes, settings: Settings) -> None:
    action, bucket = signed.s3_action, account.bucket(signed.bucket)
    if bucket is not None and action not in _ANY_REGION and signed.region != bucket.region_name:
        raise wrong_region(signed.bucket, bucket.region_name, signed.region)
    for resource in _resources(signed, body):
        _authorize(caller, action, resource, _context(signed, caller), bucket)
    source = _copy_source(signed)
    if source:
        _authorize(caller, "s3:GetObject", f"arn:aws:s3:::{source}", _context(signed, caller), bucket)
    if bucket is None:
        return
    _check_key_use(signed, caller, bucket, settings)
    _check_public_access(signed, caller, body, bucket)
    if action == "s3:GetObject" and bucket.keys.get(signed.key) is None:
        # Without the permission to list, the answer does not show whether an object exists.
        _authorize(caller, "s3:ListBucket", f"arn:aws:s3:::{signed.bucket}", _context(signed, caller), bucket)


def _resources(signed: Signed, body: bytes) -> list[str]:
    """The ARNs that a request acts on. DeleteObjects is refused as a whole where AWS refuses some objects."""
    if signed.method == "POST" and "delete" in signed.query:
        keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", body.decode(errors="replace"), re.DOTALL)]
        return [f"{signed.resource}/{key}" for key in keys]
    return [signed.resource]


def _context(signed: Signed, caller: Caller | None) -> dict[str, str]:
    """Keys of the request that conditions may name. It stands for one over TLS, as those to AWS are."""
    context = {
        "aws:securetransport": "true",
        "aws:requestedregion": signed.region,
        "aws:sourceip": "127.0.0.1",
        "aws:currenttime": datetime.now(UTC).isoformat(),
        "aws:epochtime": str(int(time.time())),
    }
    if caller is not None:
        context |= {"aws:principalarn": caller.role or caller.arn, "aws:principalaccount": account.ACCOUNT}
    for name in ("prefix", "delimiter", "max-keys"):
        if name in signed.query:
            context[f"s3:{name}"] = signed.query[name]
    for name in (_SSE, f"{_SSE}-aws-kms-key-id", "x-amz-acl"):
        if name in signed.headers:
            context[f"s3:{name}"] = signed.headers[name]
    return context


def _copy_source(signed: Signed) -> str:
    return signed.headers.get("x-amz-copy-source", "").lstrip("/") if signed.method == "PUT" else ""


def _authorize(caller: Caller, action: str, resource: str, context: dict[str, str], bucket: Any) -> None:
    request = Request(caller.principals, action, resource, context)
    by_identity = _identity_decision(caller, request)
    by_bucket = Decision.SILENT
    if bucket is not None and bucket.policy is not None:
        by_bucket = decide([parsed(bucket.policy)], request)
    if by_identity is Decision.DENY:
        raise not_authorized(caller.arn, action, resource, "with an explicit deny in an identity-based policy")
    if by_bucket is Decision.DENY:
        raise not_authorized(caller.arn, action, resource, "with an explicit deny in a resource-based policy")
    if caller.session_policy is not None and decide([caller.session_policy], request) is not Decision.ALLOW:
        raise not_authorized(caller.arn, action, resource, f"because no session policy allows the {action} action")
    if Decision.ALLOW not in (by_identity, by_bucket):
        why = f"because no identity-based policy allows the {action} action"
        raise not_authorized(caller.arn, action, resource, why)


def _identity_decision(caller: Caller, request: Request) -> Decision:
    return decide(caller.policies, request)


def _check_key_use(signed: Signed, caller: Caller, bucket: Any, settings: Settings) -> None:
    """Writers and readers of an object with a KMS key must be allowed to use the key."""
    action, key = "", ""
    if signed.s3_action == "s3:PutObject":
        algorithm, key = _encryption(signed, bucket)
        action, key = ("kms:GenerateDataKey", key) if algorithm == "aws:kms" else ("", "")
    elif signed.s3_action == "s3:GetObject" and (found := bucket.keys.get(signed.key)) is not None:
        action, key = "kms:Decrypt", getattr(found, "kms_key_id", None) or ""
    if not key:  # the account's own key for S3 needs no permission
        return
    arn = key if key.startswith("arn:") else f"arn:aws:kms:{bucket.region_name}:{account.ACCOUNT}:key/{key}"
    context = {
        **_context(signed, caller),
        "kms:viaservice": f"s3.{bucket.region_name}.amazonaws.com",
        "kms:calleraccount": account.ACCOUNT,
        "kms:encryptioncontext:aws:s3:arn": signed.resource,
        "kms:encryptioncontextkeys": "aws:s3:arn",
    }
    _authorize(caller, action, arn, context, None)
    if arn in settings.disabled_keys:
        raise Refusal(400, "KMS.DisabledException", f"{arn} is disabled.")


def _encryption(signed: Signed, bucket: Any) -> tuple[str, str]:
    """Algorithm and key under which an object is written: those of the request, or the bucket's default."""
    if _SSE in signed.headers:
        return signed.headers[_SSE], signed.headers.get(f"{_SSE}-aws-kms-key-id", "")
    rule = ((bucket.encryption or {}).get("ServerSideEncryptionConfiguration") or bucket.encryption or {}).get(
        "Rule"
    ) or {}
    default = (rule[0] if isinstance(rule, list) else rule).get("ApplyServerSideEncryptionByDefault") or {}
    return default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID", "")


def _check_public_access(signed: Signed, caller: Caller, body: bytes, bucket: Any) -> None:
    block = bucket.public_access_block
    if block is None:
        return
    if signed.headers.get("x-amz-acl") in _PUBLIC_ACLS and block.block_public_acls:
        why = "because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access."
        raise not_authorized(caller.arn, signed.s3_action, signed.resource, why)
    if signed.s3_action == "s3:PutBucketPolicy" and block.block_public_policy and is_public(parsed(body)):
        why = "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        raise not_authorized(caller.arn, signed.s3_action, signed.resource, why)
