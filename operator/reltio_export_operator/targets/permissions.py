"""The permissions that an export needs, as an IAM policy pinned to one bucket and prefix. Pure.

The four S3 actions are those that Reltio's page "Secure export AWS authentication" asks for. The same document
serves as a role's permission policy and as the session policy of a probe.
"""

from __future__ import annotations

from typing import Any

OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
KMS_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")

# In a policy these would match anything, or start a variable; in a bucket they are ordinary letters of a key.
_ESCAPED = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})


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
