"""The permissions that an export needs, as an IAM policy pinned to one bucket and prefix. Pure.

The same document serves as the permission policy of a role and as the session policy of a probe. Source of the four
S3 actions, copy of 2026-07-10:
https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/secure-export-aws-authentication
Source of the KMS actions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from __future__ import annotations

from typing import Any

OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
KMS_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")

# In a policy these characters are wildcards, or start a variable. In a key they are ordinary characters.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
_ESCAPED = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})


def bucket_policy(bucket: str, *, partition: str = "aws") -> dict[str, Any]:
    """Everything in the bucket, and every KMS key: a session policy that needs less room than `export_policy`."""
    arn = f"arn:{partition}:s3:::{bucket}"
    allowed = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": [arn, f"{arn}/*", f"arn:{partition}:kms:*"]}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def export_policy(
    bucket: str, prefix: str, *, partition: str = "aws", kms_key_arn: str | None = None, any_kms_key: bool = False
) -> dict[str, Any]:
    """List, get, put and delete under the prefix, and use of the KMS key through S3.

    `prefix` is a key prefix without a leading slash, with a trailing one unless empty. `any_kms_key` allows every key
    when none is named: a session policy can only narrow what the role allows, and a bucket may encrypt by default
    with a key that the target does not name.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    under = f"{prefix.translate(_ESCAPED)}*"
    listing: dict[str, Any] = {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn}
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": under}}
    statements = [
        listing,
        {"Sid": "Objects", "Effect": "Allow", "Action": list(OBJECT_ACTIONS), "Resource": f"{arn}/{under}"},
    ]
    key = kms_key_arn or ("*" if any_kms_key else None)
    if key:
        statements.append(
            {
                "Sid": "Encryption",
                "Effect": "Allow",
                "Action": list(KMS_ACTIONS),
                "Resource": key,
                "Condition": {"StringLike": {"kms:ViaService": "s3.*"}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}
