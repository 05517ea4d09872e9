"""Where RGW 16 differs from AWS, as far as the operator meets it. docs/rgw.md explains each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from .cluster import REGION
from .stage import BUCKET, OPERATOR, ROLE, ROLE_NAME, Stage, allow, document


@dataclass(frozen=True)
class Deviation:
    """`probe` returns what RGW did, or nothing if it behaves as AWS."""

    name: str
    probe: Callable[[Stage], str]


def _failure(call: Callable[[], Any]) -> ClientError | None:
    try:
        call()
    except ClientError as error:
        return error
    return None


def _code(call: Callable[[], Any]) -> str:
    """The error code of a call that fails, wherever the answer has it."""
    error = _failure(call)
    if error is None:
        return ""
    answer: Any = error.response
    return str((answer.get("Error") or answer).get("Code"))


def _assume(stage: Stage, role: str = ROLE, **more: Any) -> Any:
    return stage.ceph.client("sts", stage.operator).assume_role(RoleArn=role, RoleSessionName="probe", **more)


def _session(stage: Stage, **change: str) -> Any:
    """An S3 client of a session of the role."""
    own = _assume(stage)["Credentials"]
    names = {
        "aws_access_key_id": "AccessKeyId",
        "aws_secret_access_key": "SecretAccessKey",
        "aws_session_token": "SessionToken",
    }
    keys: dict[str, Any] = {name: own[field] for name, field in names.items()} | change
    return boto3.client("s3", endpoint_url=stage.ceph.url, region_name=REGION, **keys)


def _errors_without_envelope(stage: Stage) -> str:
    error = _failure(lambda: _assume(stage, f"{ROLE}-none"))
    assert error is not None
    return "" if error.response.get("Error", {}).get("Message") else str(error)


def _external_id(stage: Stage) -> str:
    stage.set_trust(Condition={"StringEquals": {"sts:ExternalId": "mine"}})
    try:
        return _code(lambda: _assume(stage, ExternalId="mine"))
    finally:
        stage.set_trust()


def _kms_in_policies(stage: Stage) -> str:
    policy = document(allow(["kms:Decrypt"], ["*"]))
    return _code(lambda: _assume(stage, Policy=policy))


def _missing_role(stage: Stage) -> str:
    found = _code(lambda: _assume(stage, f"{ROLE}-none"))
    return "" if found == "AccessDenied" else found


def _caller_identity(stage: Stage) -> str:
    return _code(stage.ceph.client("sts", stage.operator).get_caller_identity)


def _attached_policies(stage: Stage) -> str:
    return _code(lambda: stage.iam.list_attached_role_policies(RoleName=ROLE_NAME))


def _spaces(stage: Stage) -> str:
    policy = stage.trust(OPERATOR).replace(":", ": ", 1)
    return _code(lambda: stage.iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=policy))


def _unknown_key(stage: Stage) -> str:
    keys: dict[str, Any] = {"aws_access_key_id": "AKIAUNKNOWN", "aws_secret_access_key": "x"}
    sts = boto3.client("sts", endpoint_url=stage.ceph.url, region_name=REGION, **keys)
    found = _code(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="probe"))
    return "" if found == "InvalidClientTokenId" else found


def _damaged_token(stage: Stage) -> str:
    found = _code(lambda: _session(stage, aws_session_token="AAAA").list_objects_v2(Bucket=BUCKET))
    return "" if found == "InvalidToken" else found


def _long_session(stage: Stage) -> str:
    found = _code(lambda: _assume(stage, DurationSeconds=43201))
    return "" if found == "ValidationError" else found


def _bucket_region(stage: Stage) -> str:
    headers = stage.owner.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPHeaders"]
    return "" if "x-amz-bucket-region" in headers else "no x-amz-bucket-region"


def _denials_without_words(stage: Stage) -> str:
    stage.permit(allow(["s3:ListBucket"], [f"arn:aws:s3:::{BUCKET}"]))
    try:
        error = _failure(lambda: _session(stage).put_object(Bucket=BUCKET, Key="x", Body=b""))
    finally:
        stage.permit_everything()
    assert error is not None
    return "" if error.response["Error"].get("Message") else "no message"


def _ownership(stage: Stage) -> str:
    _session(stage).put_object(Bucket=BUCKET, Key="ownership/a", Body=b"x")
    return _code(lambda: stage.owner.get_object(Bucket=BUCKET, Key="ownership/a"))


def _block_public_access(stage: Stage) -> str:
    blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    stage.owner.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))
    try:
        return _code(lambda: stage.owner.put_object(Bucket=BUCKET, Key="x", Body=b""))
    finally:
        stage.owner.delete_public_access_block(Bucket=BUCKET)


def _setting_of_bucket(stage: Stage) -> str:
    found = _code(lambda: _session(stage).get_public_access_block(Bucket=BUCKET))
    return "" if found == "NoSuchPublicAccessBlockConfiguration" else found or "a configuration that was never set"


def _encryption(stage: Stage) -> str:
    return _code(lambda: stage.owner.put_object(Bucket=BUCKET, Key="x", Body=b"", ServerSideEncryption="AES256"))


def _control_characters(stage: Stage) -> str:
    return _code(lambda: stage.owner.list_objects_v2(Bucket=BUCKET, Prefix="a\x01"))


def _checksums(stage: Stage) -> str:
    stage.owner.put_object(Bucket=BUCKET, Key="sum", Body=b"x", ChecksumAlgorithm="SHA256")
    answer = stage.owner.get_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
    return "" if answer.get("ChecksumSHA256") else "no checksum in the answer"


DEVIATIONS = (
    Deviation("Errors of STS and IAM have no ErrorResponse", _errors_without_envelope),
    Deviation("Denials have no message", _denials_without_words),
    Deviation("sts:ExternalId is not known to trust policies", _external_id),
    Deviation("kms: actions are not known to policies", _kms_in_policies),
    Deviation("AssumeRole says that a role does not exist", _missing_role),
    Deviation("AssumeRole denies keys that it does not know", _unknown_key),
    Deviation("A session that is too long is another error", _long_session),
    Deviation("A damaged session token is a denial", _damaged_token),
    Deviation("GetCallerIdentity is missing", _caller_identity),
    Deviation("ListAttachedRolePolicies is missing", _attached_policies),
    Deviation("Spaces in policies are not decoded", _spaces),
    Deviation("HeadBucket does not return the region", _bucket_region),
    Deviation("The owner of a bucket may not read what a role wrote", _ownership),
    Deviation("Block Public Access stops every upload", _block_public_access),
    Deviation("A session may not read Block Public Access", _setting_of_bucket),
    Deviation("Encryption at rest is refused over HTTP", _encryption),
    Deviation("A control character in a prefix ends a listing with 500", _control_characters),
    Deviation("Checksums of objects are not kept", _checksums),
)
