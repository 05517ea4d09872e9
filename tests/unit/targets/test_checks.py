"""The list of checks is complete, and each setting of the bucket can be read as it says."""

from __future__ import annotations

import botocore.session
import pytest
from botocore import xform_name

from builders import T0, target
from reltio_export_operator.targets import checks, readiness

S3 = botocore.session.get_session().get_service_model("s3")
OPERATIONS = {xform_name(name): S3.operation_model(name) for name in S3.operation_names}
BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


def test_each_check_has_a_name_of_its_own() -> None:
    names = [kind.name for kind in checks.CHECKS]
    assert len(set(names)) == len(names)


def test_every_check_counts_for_a_condition_that_a_target_has() -> None:
    status = readiness.evaluate(target(), [], T0, tested=False)
    assert {kind.condition for kind in checks.CHECKS} <= {condition.type for condition in status.conditions}


@pytest.mark.parametrize("setting", checks.BUCKET_SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_read_by_a_call_of_s3_that_needs_nothing_but_the_bucket(setting: checks.BucketSetting) -> None:
    assert setting in checks.CHECKS
    assert setting.is_advisory
    shape = OPERATIONS[setting.call].input_shape
    assert shape is not None
    assert shape.required_members == ["Bucket"]
    assert setting.call.startswith("get_")


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ({"PublicAccessBlockConfiguration": BLOCKED}, True),
        ({"PublicAccessBlockConfiguration": {**BLOCKED, "BlockPublicAcls": False}}, False),
        ({"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}, False),
        ({}, False),
    ],
)
def test_public_access_is_blocked_when_all_four_settings_are_on(answer: dict[str, object], good: bool) -> None:
    (setting,) = [setting for setting in checks.BUCKET_SETTINGS if setting.name == "PublicAccessBlocked"]
    assert setting.is_good(answer) is good
