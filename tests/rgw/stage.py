"""An account in RGW with an operator and a role, and the operator's own controller on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from builders import job, submission
from reltio_export_operator.api.job import ExportJob, Output
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.controllers.jobs.delivery_reader import DeliveryReader
from reltio_export_operator.delivery.manifest import RECEIPT, Delivery
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.targets.permissions import export_policy
from verify.world import World

from .cluster import REGION, Ceph, Keys

Raw = dict[str, Any]
ACCOUNT = "111122223333"
BUCKET = "acme-mdm-exports"
ROLE_NAME = "reltio-exporter"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
_CAPS = "roles=*;user-policy=*"
ACTIONS = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetBucketPublicAccessBlock")


def allow(actions: Sequence[str], resources: Sequence[str], **more: Any) -> Raw:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def document(*statements: Raw) -> str:
    """A policy without spaces, which RGW does not take: it reads a `+` of the form as it stands."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


class Stage:
    """`owner` and `iam` are clients with the owner's keys; `sessions` is the product's own with the operator's keys."""

    def __init__(self, ceph: Ceph, pool: ThreadPoolExecutor) -> None:
        self.ceph = ceph
        keys = ceph.create_user(ACCOUNT, "owner", caps=_CAPS)
        self.operator = ceph.create_user(ACCOUNT, "operator", caps=_CAPS)
        self.owner: Any = ceph.client("s3", keys)
        self.iam: Any = ceph.client("iam", keys)
        self.use(self.operator)
        self.sessions = RoleSessions(pool, new_session=session_factory(Network()))
        self.owner.create_bucket(Bucket=BUCKET)
        self.iam.create_role(
            RoleName=ROLE_NAME, Path="/", AssumeRolePolicyDocument=self.trust(OPERATOR), MaxSessionDuration=43200
        )
        self.permit_everything()

    def use(self, keys: Keys) -> None:
        """The credentials in the environment, from where the product takes them."""
        os.environ |= {
            "AWS_ENDPOINT_URL": self.ceph.url,
            "AWS_ACCESS_KEY_ID": keys.id,
            "AWS_SECRET_ACCESS_KEY": keys.secret,
        }

    def trust(self, principal: str, **more: Any) -> str:
        statement = {"Effect": "Allow", "Principal": {"AWS": [principal]}, "Action": ["sts:AssumeRole"], **more}
        return document(statement)

    def set_trust(self, principal: str = OPERATOR, **more: Any) -> None:
        self.iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=self.trust(principal, **more))

    def permit(self, *statements: Raw) -> None:
        """Give the role this policy and no other."""
        self.iam.put_role_policy(RoleName=ROLE_NAME, PolicyName="export", PolicyDocument=document(*statements))

    def permit_everything(self) -> None:
        """What an export needs, and reading the setting of the bucket that is checked."""
        self.permit(allow(ACTIONS, [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]))

    async def verify(self, **s3: Any) -> ExportTarget:
        """A target without an external ID, verified by the operator's own controller."""
        spec = {"externalID": None, "roleARN": ROLE, "bucket": BUCKET, "region": REGION, **s3}
        world = World({"s3": spec})
        world.aws = session_factory(Network())()  # type: ignore[assignment]
        return await world.verify()

    async def role(self, policies: Sequence[Raw] = ()) -> AssumedRole:
        return await self.sessions.assume(
            Owner("mdm", "lake"), ROLE, None, region=REGION, policies=policies, fresh=True
        )

    async def limited_role(self, prefix: str) -> AssumedRole:
        """A session that may use the prefix alone. RGW does not take the statement about KMS keys."""
        return await self.role([export_policy(BUCKET, prefix)])

    async def store(self) -> ObjectStore:
        return ObjectStore(self.sessions, await self.role(), BUCKET)

    def put_all(self, objects: dict[str, bytes]) -> None:
        """Write the objects, eight at a time."""
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(lambda item: self.owner.put_object(Bucket=BUCKET, Key=item[0], Body=item[1]), objects.items())
            )

    async def deliver(
        self, files: dict[str, bytes], *, records: int, verify: str, attempt: int
    ) -> tuple[ExportJob, Delivery]:
        """Files with their manifest under the path of an attempt, read by the operator as the delivery of a job."""
        subject = job(
            spec={"delivery": {"verify": verify, "receipt": True}},
            status={
                "attempts": attempt,
                "submission": submission(attempt),
                "tasks": [{"id": "t", "status": "COMPLETED"}],
            },
        )
        assert subject.status.submission is not None
        path = subject.status.submission.path
        manifest = {
            "success": True,
            "files": list(files),
            "totalObjects": records,
            "totalNumberOfFiles": len(files),
        }
        self.put_all({path + name: content for name, content in files.items()})
        self.put_all({f"{path}manifest.json": json.dumps(manifest).encode()})
        return subject, await DeliveryReader(self.store, subject, {}).delivery()


def output_of(subject: ExportJob, delivery: Delivery) -> Output:
    """What the status of the job records of a delivery."""
    assert subject.status.submission is not None
    names = delivery.names or []
    return Output(
        bucket=BUCKET,
        prefix=subject.status.submission.path,
        files=len(names),
        bytes=sum(delivery.files[name].size for name in names),
        digest=delivery.digest,
        receipt=RECEIPT,
    )


@contextmanager
def stage(ceph: Ceph) -> Iterator[Stage]:
    with ThreadPoolExecutor(8) as pool:
        yield Stage(ceph, pool)
