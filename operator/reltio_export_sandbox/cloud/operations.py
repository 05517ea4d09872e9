"""What a signed HTTP request asks of S3 or STS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")

# Sub-resources of buckets and objects that have actions of their own.
_BUCKET_ACTIONS = {
    "location": "GetBucketLocation",
    "policy": "{}BucketPolicy",
    "publicAccessBlock": "{}BucketPublicAccessBlock",
    "encryption": "{}EncryptionConfiguration",
    "acl": "{}BucketAcl",
    "versioning": "{}BucketVersioning",
    "tagging": "{}BucketTagging",
    "logging": "{}BucketLogging",
    "ownershipControls": "{}BucketOwnershipControls",
    "object-lock": "{}BucketObjectLockConfiguration",
    "lifecycle": "{}LifecycleConfiguration",
    "replication": "{}ReplicationConfiguration",
    "policyStatus": "GetBucketPolicyStatus",
    "uploads": "ListBucketMultipartUploads",
    "versions": "ListBucketVersions",
}
_VERBS = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete", "POST": "Put"}


@dataclass(frozen=True)
class Signed:
    """A request with its signer's key. `headers` in lower case, `path` percent-decoded, `form` for query APIs."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    form: Mapping[str, str]
    key_id: str
    region: str
    service: str

    @property
    def bucket(self) -> str:
        return self.path.split("/", 2)[1]

    @property
    def key(self) -> str:
        return self.path.split("/", 2)[2] if self.path.count("/") > 1 else ""

    @property
    def resource(self) -> str:
        """The ARN of the bucket or object."""
        return f"arn:aws:s3:::{self.bucket}/{self.key}" if self.key else f"arn:aws:s3:::{self.bucket}"

    @property
    def s3_action(self) -> str:
        """The permission that it needs, as the service authorization reference for S3 has it."""
        verb = _VERBS.get(self.method, "Get")
        if not self.bucket:
            return "s3:ListAllMyBuckets"
        if not self.key:
            for name, action in _BUCKET_ACTIONS.items():
                if name in self.query:
                    return "s3:" + action.format(verb)
            if "delete" in self.query:
                return "s3:DeleteObject"
            return {"PUT": "s3:CreateBucket", "DELETE": "s3:DeleteBucket"}.get(self.method, "s3:ListBucket")
        if "acl" in self.query:
            return f"s3:{verb}ObjectAcl"
        if self.method == "DELETE" and "uploadId" in self.query:
            return "s3:AbortMultipartUpload"
        return f"s3:{verb}Object"


def read(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Signed | None:
    """None for a request without a signature of version 4 in its headers."""
    found = _CREDENTIAL.search(headers.get("authorization", ""))
    if found is None:
        return None
    form: dict[str, str] = {}
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode()))
    return Signed(
        method,
        unquote(path),
        dict(parse_qsl(query, keep_blank_values=True)),
        headers,
        form,
        found["key"],
        found["region"],
        found["service"],
    )
