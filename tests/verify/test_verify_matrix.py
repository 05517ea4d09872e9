"""For each mistake exactly the right checks fail, with a remedy, and it heals once it is put right."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from reltio_export_operator.api.decoding import decode_target
from reltio_export_operator.api.foreign import KNOWN
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.kube.client import InvalidError
from reltio_export_operator.reltio.hosts import ReltioHosts
from reltio_export_operator.targets.readiness import ADVISORY_CHECKS
from reltio_export_operator.targets.role_templates import design

from .aws import Role
from .cases import CASES, Case
from .world import EXTERNAL_ID, RELTIO, ROLE, World


def failing(target: ExportTarget) -> dict[str, str]:
    return {check.name: check.reason for check in target.status.checks if check.status == "False"}


def unknown(target: ExportTarget) -> list[str]:
    return [check.name for check in target.status.checks if check.status == "Unknown"]


@pytest.mark.parametrize("mode", ["AssumeRole", "Inspect", "AssumeRoleAndInspect"])
async def test_a_target_with_everything_right_passes_every_check(mode: str) -> None:
    spec = {"verification": {"mode": mode, "reltioPrincipals": [RELTIO]}}
    target = await World(spec).verify()
    assert [(check.name, check.status) for check in target.status.checks if check.status != "True"] == []
    assert target.is_ready


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_mistake_fails_its_own_checks_and_no_other(case: Case) -> None:
    world = World(case.spec)
    case.arrange(world)
    target = await world.verify()
    assert failing(target) == case.failing
    assert target.is_ready == (set(case.failing) <= set(ADVISORY_CHECKS))
    for check in target.status.checks:
        if check.status == "False":
            assert check.message, check
            assert check.remedy, check
    if set(case.failing) <= set(ADVISORY_CHECKS) or case.unknown:
        assert set(unknown(target)) >= set(case.unknown)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_status_says_the_same_each_time_while_a_mistake_lasts(case: Case) -> None:
    world = World(case.spec)
    case.arrange(world)
    first = await world.verify()
    again = await world.verify()
    assert again.status.checks == first.status.checks
    assert again.status.conditions == first.status.conditions


async def test_a_policy_that_cannot_be_judged_denies_ready_and_says_how_to_find_out() -> None:
    world = World({"verification": {"mode": "Inspect", "reltioPrincipals": [RELTIO]}})
    world.aws.roles[ROLE].trust["Condition"]["StringEquals"]["aws:PrincipalOrgID"] = "o-1"
    target = await world.verify()
    assert failing(target) == {}
    assert "TrustsReltio" in unknown(target)
    assert not target.is_ready


async def test_an_inspected_role_that_knows_the_previous_external_id_alone_is_good_enough() -> None:
    spec = {"verification": {"mode": "Inspect", "reltioPrincipals": [RELTIO]}}
    world = World({**spec, "s3": {"externalID": "the-new-one", "previousExternalID": EXTERNAL_ID}})
    target = await world.verify()
    assert failing(target) == {}
    assert (target.is_ready, target.status.external_id_in_use) == (True, "Previous")


async def test_the_previous_external_id_is_read_only_when_the_current_one_is_refused() -> None:
    gone = {"previousExternalIDSecretRef": {"name": "gone"}}
    assert (await World({"s3": gone}).verify()).is_ready
    target = await World({"s3": {"externalID": "the-new-one", **gone}}).verify()
    (check,) = [check for check in target.status.checks if check.status == "False"]
    assert (check.name, check.reason) == ("AssumeRole", "SecretUnusable")
    assert "spec.s3.previousExternalIDSecretRef" in check.remedy


async def test_an_internal_error_is_the_result_of_a_check() -> None:
    world = World()
    del world.aws.buckets  # the stand-in then raises what no caller expects
    target = await world.verify()
    assert failing(target) == {"Bucket": "InternalError"}
    assert not target.is_ready


async def test_an_invalid_url_is_distinguished_from_an_unreachable_service() -> None:
    world = World({"reltio": {"exportServiceURL": "https://reltio.test:port/jobs"}})
    assert failing(await world.verify()) == {"ReltioReachable": "InvalidURL"}


@pytest.mark.parametrize("mode", ["AssumeRole", "Inspect", "AssumeRoleAndInspect", "Disabled"])
async def test_a_role_that_the_settings_do_not_allow_is_refused_before_any_call(mode: str) -> None:
    inspects = {"reltioPrincipals": [RELTIO]} if "Inspect" in mode else {}
    world = World({"verification": {"mode": mode, "canary": True, **inspects}})
    world.allowed_roles = {"sales": [ROLE], "mdm": [f"{ROLE}-*"]}
    target = await world.verify()
    by_type = {one.type: one for one in target.status.conditions}
    assert {(by_type[type_].status, by_type[type_].reason) for type_ in ("Ready", "RoleAssumable")} == {
        ("False", "RoleNotAllowed")
    }
    assert by_type["Stalled"].reason == "RoleNotAllowed"
    assert "allowedRoles" in by_type["Ready"].message
    assert target.status.checks == ()
    assert (world.calls, world.aws.clients) == (0, 0)
    assert not [key for key in world.kube.objects if key[0] == "exportjobs"]

    world.allowed_roles = {"mdm": [ROLE]}
    target = await world.verify()
    assert target.is_ready
    assert (world.calls > 0) is (mode != "Disabled"), "verified at once, although the last verification was recent"


async def test_a_ready_target_is_refused_once_the_settings_do_not_allow_its_role_any_more() -> None:
    world = World()
    assert (await world.verify()).is_ready
    calls = world.calls
    world.allowed_roles = {"sales": [ROLE]}
    target = await world.verify()
    assert not target.is_ready
    assert world.calls == calls


async def test_the_status_stays_when_the_canary_cannot_be_created() -> None:
    world = World({"verification": {"canary": True}})

    async def refuse(*_: Any) -> None:
        raise InvalidError("exceeded quota")

    world.kube.create = refuse  # type: ignore[method-assign, assignment]
    target = await world.verify()
    assert target.is_ready
    (delivered,) = [c for c in target.status.conditions if c.type == "Delivered"]
    assert (delivered.status, delivered.reason) == ("Unknown", "CanaryNotCreated")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_the_reasons_are_the_same_when_nothing_that_aws_says_may_be_quoted(case: Case) -> None:
    world = World(case.spec)
    case.arrange(world)
    KNOWN.add("mdm", "ab")  # as a short external ID of another target
    assert failing(await world.verify()) == case.failing


async def test_the_previous_external_id_is_used_while_the_role_knows_no_other() -> None:
    world = World({"s3": {"externalID": "the-new-one", "previousExternalID": EXTERNAL_ID}})
    target = await world.verify()
    assert target.is_ready
    assert target.status.external_id_in_use == "Previous"
    world.aws.roles[ROLE].trust["Condition"] = {"StringEquals": {"sts:ExternalId": "the-new-one"}}
    world.kube.objects["exporttargets", "mdm", "lake"]["status"].pop("lastVerificationTime")
    target = await world.verify()
    assert target.status.external_id_in_use == "Current"


async def test_no_external_id_is_in_the_status() -> None:
    for case in CASES:
        world = World(case.spec)
        case.arrange(world)
        await world.verify()
        assert EXTERNAL_ID not in str(world.kube.objects["exporttargets", "mdm", "lake"]["status"]), case.name
        assert EXTERNAL_ID not in str(world.kube.events), case.name


async def test_a_canary_is_one_job_however_often_the_operator_looks() -> None:
    world = World({"verification": {"canary": True}})
    for _ in range(3):
        target = await world.verify()
    jobs = [raw for (plural, _, _), raw in world.kube.objects.items() if plural == "exportjobs"]
    assert [raw["metadata"]["name"] for raw in jobs] == ["lake-canary-1"]
    assert jobs[0]["metadata"]["ownerReferences"][0]["uid"] == target.metadata.uid
    world.kube.change(
        "exportjobs",
        "mdm",
        "lake-canary-1",
        {
            "status": {
                "conditions": [
                    {
                        "type": "Complete",
                        "status": "True",
                        "reason": "Delivered",
                        "message": "",
                        "lastTransitionTime": "2031-01-15T03:00:00Z",
                    }
                ]
            }
        },
    )
    target = await world.verify()
    assert [(c.type, c.status) for c in target.status.conditions if c.type == "Delivered"] == [("Delivered", "True")]


def generated(world: World, *, without: str = "") -> None:
    """Give the world the role that is written out for its target, or one with an action less."""
    target = decode_target(world.kube.objects["exporttargets", "mdm", "lake"])
    role = design(target, ["arn:aws:iam::111122223333:user/operator"], EXTERNAL_ID)
    statements = copy.deepcopy(role.permissions["Statement"])
    for statement in statements:
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [one for one in listed if one != without]
    world.aws.roles[ROLE] = Role(role.trust["Statement"][0], statements, role.max_session_seconds)


async def test_the_role_that_is_written_out_makes_its_target_ready() -> None:
    world = World()
    generated(world)
    target = await world.verify()
    assert failing(target) == {}
    assert target.is_ready


@pytest.mark.parametrize("action", ["ListBucket", "PutObject", "GetObject", "DeleteObject"])
async def test_without_any_one_of_its_actions_exactly_the_matching_check_fails(action: str) -> None:
    world = World()
    generated(world, without=f"s3:{action}")
    assert failing(await world.verify()) == {action: "AccessDenied"}


@pytest.mark.parametrize("mode", ["AssumeRole", "Disabled"])
async def test_a_target_of_another_host_is_refused_without_a_call_until_the_settings_allow_it(mode: str) -> None:
    world = World({"verification": {"mode": mode}})
    allowed, world.hosts = world.hosts, ReltioHosts()
    world.kube.secrets.clear()  # it is not read either
    target = await world.verify()
    reasons = {condition.type: condition.reason for condition in target.status.conditions}
    assert (reasons["Ready"], reasons["Stalled"], reasons["ReltioAuthenticated"]) == ("HostNotAllowed",) * 3
    assert (world.calls, target.status.checks, target.is_ready) == (0, (), False)
    world.hosts = allowed
    world.secret()
    assert (await world.verify()).is_ready


async def test_a_failed_call_for_a_job_makes_the_operator_verify_a_ready_target_once_a_minute() -> None:
    world = World()
    assert (await world.verify()).is_ready
    world.secret(clientSecret="wrong")
    assert (await world.verify()).is_ready, "the verification is not due"
    target = await world.verify(requested=2)
    assert not target.is_ready
    assert failing(target) == {"ReltioToken": "CredentialsRejected"}
    assert world.requests == [True, False]
