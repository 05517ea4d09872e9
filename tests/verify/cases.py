"""Ways to set up AWS, Reltio or a target wrongly, and the checks that must fail for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reltio_export_sandbox.reltio import Client

from .aws import deny
from .world import BUCKET, CLIENT, EXTERNAL_ID, KEY, PORTAL, RELTIO, ROLE, World

Raw = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One mistake. `failing` are the checks that say False and their reasons, `unknown` those that must not know.

    `transient`: the same verification may pass later by itself.
    """

    name: str
    arrange: Callable[[World], None]
    failing: dict[str, str]
    spec: Raw = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    transient: bool = False


def _permission(world: World, action: str) -> None:
    for statement in world.aws.roles[ROLE].permissions:
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [one for one in listed if one != action]


def _condition(world: World, operator: str, value: str) -> None:
    world.aws.roles[ROLE].trust["Condition"] = {operator: {"sts:ExternalId": value}}


def _inspect(mode: str = "Inspect") -> Raw:
    return {"verification": {"mode": mode, "reltioPrincipals": [RELTIO]}}


def _without_trust_condition(world: World) -> None:
    del world.aws.roles[ROLE].trust["Condition"]


def _key_is(state: str, world: World) -> None:
    world.aws.key_state = state


def _chain(world: World) -> None:
    world.aws.principal = "arn:aws:sts::111122223333:assumed-role/operator/pod"
    world.aws.roles[ROLE].trust["Principal"] = {"AWS": "arn:aws:iam::111122223333:root"}
    world.aws.own_permissions = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]


def _previous(world: World) -> None:
    world.previous_external_id = "the-old-one"
    _condition(world, "StringEquals", world.previous_external_id)


S3_KMS = {"s3": {"serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": KEY}}}

CASES = (
    Case(
        "client secret is wrong",
        lambda w: w.secret(clientSecret="wrong"),
        {"ReltioToken": "CredentialsRejected"},
    ),
    Case("Secret does not exist", lambda w: w.kube.secrets.clear(), {"ReltioToken": "SecretUnusable"}),
    Case(
        "Secret has not opted in",
        lambda w: w.kube.not_opted_in.update(w.kube.secrets),
        {"ReltioToken": "SecretNotAllowed"},
    ),
    Case("Secret has no such key", lambda w: w.secret(clientSecret=None), {"ReltioToken": "SecretUnusable"}),
    Case("auth service cannot be reached", lambda w: w.cut("/oauth"), {"ReltioReachable": "Unreachable"}),
    Case("export service cannot be reached", lambda w: w.cut("/jobs"), {"ReltioReachable": "Unreachable"}),
    Case(
        "URL shows a portal page",
        lambda w: None,
        {"ReltioTenant": "UnexpectedAnswer"},
        spec={"reltio": {"exportServiceURL": PORTAL}},
    ),
    Case(
        "client has no access to the tenant",
        lambda w: w.clients(Client(CLIENT.id, CLIENT.secret, tenants=frozenset({"other"}))),
        {"ReltioTenant": "AccessDenied"},
    ),
    Case("role does not exist", lambda w: w.aws.roles.clear(), {"AssumeRole": "AssumeRoleDenied"}),
    Case("external ID is wrong", lambda w: _condition(w, "StringEquals", "other"), {"AssumeRole": "AssumeRoleDenied"}),
    Case(
        "trust policy names somebody else",
        lambda w: w.aws.roles[ROLE].trust.update(Principal={"AWS": "arn:aws:iam::111122223333:user/else"}),
        {"AssumeRole": "AssumeRoleDenied"},
    ),
    Case("operator may not assume roles", lambda w: w.aws.own_permissions.clear(), {"AssumeRole": "AssumeRoleDenied"}),
    Case(
        "operator has no credentials",
        lambda w: setattr(w.aws, "principal", None),
        {"OperatorCredentials": "NoCredentials"},
        unknown=("AssumeRole", "Bucket", "PutObject"),
    ),
    Case(
        "Secret of the external ID is missing",
        lambda w: None,
        {"AssumeRole": "SecretUnusable"},
        spec={"s3": {"externalID": None, "externalIDSecretRef": {"name": "nowhere"}}},
    ),
    Case(
        "trust policy asks for no external ID",
        _without_trust_condition,
        {"WrongExternalIDRefused": "ExternalIDNotRequired", "MissingExternalIDRefused": "ExternalIDNotRequired"},
    ),
    Case(
        "trust policy takes any external ID",
        lambda w: _condition(w, "StringLike", "*"),
        {"WrongExternalIDRefused": "ExternalIDNotRequired"},
    ),
    Case(
        "trust policy asks only if there is one",
        lambda w: _condition(w, "StringEqualsIfExists", EXTERNAL_ID),
        {"MissingExternalIDRefused": "ExternalIDNotRequired"},
    ),
    Case(
        "target names no external ID",
        _without_trust_condition,
        {"WrongExternalIDRefused": "ExternalIDNotRequired", "MissingExternalIDRefused": "NoExternalID"},
        spec={"s3": {"externalID": None}},
    ),
    Case("bucket does not exist", lambda w: w.aws.buckets.clear(), {"Bucket": "BucketNotFound"}),
    Case(
        "bucket is in another region",
        lambda w: setattr(w.aws.buckets[BUCKET], "region", "eu-central-1"),
        {"Bucket": "BucketRegionMismatch"},
    ),
    Case("role may not list", lambda w: _permission(w, "s3:ListBucket"), {"ListBucket": "AccessDenied"}),
    Case(
        "role may not put",
        lambda w: _permission(w, "s3:PutObject"),
        {"PutObject": "AccessDenied"},
        unknown=("GetObject", "DeleteObject"),
    ),
    Case("role may not get", lambda w: _permission(w, "s3:GetObject"), {"GetObject": "AccessDenied"}),
    Case("role may not delete", lambda w: _permission(w, "s3:DeleteObject"), {"DeleteObject": "AccessDenied"}),
    Case(
        "role is bound to another prefix",
        lambda w: w.aws.roles[ROLE].permissions[1].update(Resource=[f"arn:aws:s3:::{BUCKET}/elsewhere/*"]),
        {"PutObject": "AccessDenied"},
        unknown=("GetObject", "DeleteObject"),
    ),
    Case(
        "role may list the path itself and nothing below",
        lambda w: w.aws.roles[ROLE].permissions[0].update(Condition={"StringEquals": {"s3:prefix": "reltio/"}}),
        {"ListBucket": "AccessDenied"},
        unknown=("PublicAccessBlocked",),
    ),
    Case(
        "bucket policy denies writing",
        lambda w: w.aws.buckets[BUCKET].policy.append(deny("s3:PutObject")),
        {"PutObject": "AccessDenied"},
        unknown=("GetObject", "DeleteObject"),
    ),
    Case(
        "KMS key may not be used to write",
        lambda w: w.aws.key_policy.append(deny("kms:GenerateDataKey")),
        {"Encryption": "KMSDenied"},
        spec=S3_KMS,
        unknown=("PutObject", "GetObject", "DeleteObject"),
    ),
    Case(
        "KMS key may not be used to read",
        lambda w: w.aws.key_policy.append(deny("kms:Decrypt")),
        {"Encryption": "KMSDenied"},
        spec=S3_KMS,
        unknown=("GetObject",),
    ),
    *(
        Case(
            f"KMS key is {state}",
            partial(_key_is, state),
            {"Encryption": "KMSKeyDisabled"},
            spec=S3_KMS,
            unknown=("PutObject", "GetObject", "DeleteObject"),
        )
        for state in ("Disabled", "PendingDeletion")
    ),
    Case(
        "role allows short sessions only",
        lambda w: setattr(w.aws.roles[ROLE], "max_session", 3600),
        {"SessionDuration": "SessionTooShort"},
    ),
    Case("operator is a role and may not read roles", _chain, {}, unknown=("SessionDuration",)),
    Case(
        "bucket may be opened to the public",
        lambda w: setattr(w.aws.buckets[BUCKET], "public_access_blocked", False),
        {"PublicAccessBlocked": "PublicAccessPossible"},
    ),
    Case(
        "inspected: Reltio is not trusted",
        lambda w: w.aws.roles[ROLE].trust.update(Principal={"AWS": "arn:aws:iam::111122223333:user/operator"}),
        {"TrustsReltio": "PrincipalNotTrusted"},
        spec=_inspect(),
    ),
    Case(
        "auth URL is none",
        lambda w: None,
        {"ReltioReachable": "InvalidURL"},
        spec={"reltio": {"authURL": "https://auth.reltio.com:port/oauth"}},
    ),
    Case(
        "Secret of the previous external ID is missing, and only that one works",
        _previous,
        {"AssumeRole": "SecretUnusable"},
        spec={"s3": {"previousExternalIDSecretRef": {"name": "nowhere"}}},
    ),
    Case(
        "S3 cannot be reached",
        lambda w: setattr(w.aws, "s3_answers", False),
        {"Bucket": "EndpointUnreachable"},
        unknown=("ListBucket", "PutObject", "GetObject", "DeleteObject"),
    ),
    Case(
        "role may not list, and objects are encrypted",
        lambda w: _permission(w, "s3:ListBucket"),
        {"ListBucket": "AccessDenied"},
        spec={"s3": {"serverSideEncryption": {"algorithm": "AES256"}}},
    ),
    Case(
        "inspected: role does not exist",
        lambda w: w.aws.roles.clear(),
        {"TrustsReltio": "RoleNotFound"},
        spec=_inspect(),
        unknown=("RolePermits", "WrongExternalIDRefused", "MissingExternalIDRefused", "SessionDuration"),
    ),
    Case(
        "inspected: another role bears the name",
        lambda w: w.aws.roles.update({ROLE.replace("role/", "role/other/"): w.aws.roles.pop(ROLE)}),
        {"TrustsReltio": "RoleNotFound"},
        spec={**_inspect(), "s3": {"roleARN": "arn:aws:iam::111122223333:role/data/reltio-exporter"}},
        unknown=("RolePermits", "WrongExternalIDRefused", "MissingExternalIDRefused", "SessionDuration"),
    ),
    Case(
        "inspected: a pattern takes other external IDs",
        lambda w: _condition(w, "StringLike", f"?{EXTERNAL_ID[1:]}"),
        {"WrongExternalIDRefused": "ExternalIDNotExact"},
        spec=_inspect(),
    ),
    Case(
        "inspected: no external ID is asked for",
        _without_trust_condition,
        {"WrongExternalIDRefused": "ExternalIDNotRequired", "MissingExternalIDRefused": "ExternalIDNotRequired"},
        spec=_inspect(),
    ),
    Case(
        "inspected: an action is not allowed",
        lambda w: _permission(w, "s3:PutObject"),
        {"RolePermits": "ActionNotAllowed"},
        spec=_inspect(),
    ),
    Case(
        "inspected: operator may not read roles",
        lambda w: w.aws.own_permissions.clear(),
        {"TrustsReltio": "RoleNotReadable"},
        spec=_inspect(),
        unknown=("RolePermits", "WrongExternalIDRefused", "MissingExternalIDRefused", "SessionDuration"),
    ),
)
