"""Does what the remedy of a check says, word by word, to a world that the operator's code knows nothing of.

Each instruction is recognized in the text that a user reads, and changes nothing but what it names. A remedy without an
instruction that is known here counts as not tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from reltio_export_sandbox.reltio import Client

from .aws import Bucket, Role, allow
from .world import BUCKET, CLIENT, EXTERNAL_ID, NAMESPACE, RELTIO, RIGHT_URLS, ROLE, World

Raw = dict[str, Any]
Instruction = Callable[[World, re.Match[str], str], None]
_INSTRUCTIONS: list[tuple[re.Pattern[str], Instruction]] = []
followed: set[str] = set()  # the patterns of the instructions that were followed so far
_LIST = r"(?P<actions>\w+:\w+(?:(?:, | and )\w+:\w+)*)"


def follow(world: World, remedy: str, message: str) -> int:
    """Do what the remedy says. Returns how many instructions it had. `message` is what it refers to."""
    done = 0
    for pattern, instruction in _INSTRUCTIONS:
        for found in pattern.finditer(remedy):
            instruction(world, found, message)
            followed.add(pattern.pattern)
            done += 1
    return done


def unused() -> list[str]:
    """The patterns of the instructions that no remedy had so far."""
    return [pattern.pattern for pattern, _ in _INSTRUCTIONS if pattern.pattern not in followed]


def _says(pattern: str) -> Callable[[Instruction], Instruction]:
    def register(instruction: Instruction) -> Instruction:
        _INSTRUCTIONS.append((re.compile(pattern), instruction))
        return instruction

    return register


def _spec(world: World, **fields: Any) -> None:
    world.kube.change("exporttargets", NAMESPACE, "lake", {"spec": fields})


def _role(world: World) -> Role:
    return world.aws.roles[world.spec["s3"]["roleARN"]]


def _actions(found: re.Match[str]) -> list[str]:
    return re.findall(r"\w+:\w+", found["actions"])


def _allow(statements: list[Raw], actions: list[str], *resources: str) -> None:
    statements.append(allow(actions, list(resources) or ["*"]))


def _remove_denials(statements: list[Raw], actions: list[str]) -> None:
    statements[:] = [s for s in statements if s["Effect"] != "Deny" or not set(s["Action"]) & set(actions)]


def _both(statements: list[Raw], found: re.Match[str], *resources: str) -> None:
    """Allow the actions; a Deny is removed only where the remedy requires it."""
    _allow(statements, _actions(found), *resources)
    if "remove any Deny" in (found.groupdict().get("denies") or ""):
        _remove_denials(statements, _actions(found))


_WHO = r"(?P<who>arn:[\w:/+=@.-]*\w)"
_DENIES = r"(?P<denies>,? and remove any Deny of (?:it|them) there)?"

# -- policies


@_says(rf"Allow {_LIST} in (?:the|a) permission policy of the role{_DENIES}")
def _permission_policy(world: World, found: re.Match[str], message: str) -> None:
    arn = f"arn:aws:s3:::{BUCKET}"
    _both(_role(world).permissions, found, arn, f"{arn}/{world.path}*")


@_says(r"check that no bucket policy denies it")
def _bucket_policy_denials(world: World, found: re.Match[str], message: str) -> None:
    _remove_denials(world.aws.buckets[BUCKET].policy, re.findall(r"s3:\w+", message))


@_says(r"Enable the key, or cancel its deletion")
def _key_state(world: World, found: re.Match[str], message: str) -> None:
    assert "disabled" in message or "deleted" in message
    world.aws.key_state = "Enabled"


@_says(rf"Allow the role {_LIST} in the policy of the bucket{_DENIES}")
def _bucket_policy(world: World, found: re.Match[str], message: str) -> None:
    _both(world.aws.buckets[BUCKET].policy, found)


@_says(rf"Allow {_LIST} in the permissions boundary of the role{_DENIES}")
def _boundary(world: World, found: re.Match[str], message: str) -> None:
    _both(_role(world).boundary, found)


@_says(
    rf"Allow {_LIST} on (?P<where>\S+) in the policy of the VPC endpoint for (?P<of>STS|S3) that the operator uses"
    rf"{_DENIES}"
)
def _endpoint(world: World, found: re.Match[str], message: str) -> None:
    _both(world.aws.s3_endpoint if found["of"] == "S3" else world.aws.sts_endpoint, found)


@_says(rf"Ask the administrator of the AWS organization to let this policy allow {_LIST}")
def _organization(world: World, found: re.Match[str], message: str) -> None:
    statements = world.aws.resource_control if "resource control policy" in message else world.aws.organization
    _allow(statements, _actions(found))
    _remove_denials(statements, _actions(found))


@_says(
    rf"Allow {_LIST} on (?P<where>\S+) in the (?P<which>permission policy|permissions boundary|session policy) of "
    rf"{_WHO}{_DENIES}"
)
def _own_policy(world: World, found: re.Match[str], message: str) -> None:
    assert found["who"] in world.aws.principals
    own = {
        "permission policy": world.aws.own_permissions,
        "permissions boundary": world.aws.own_boundary,
        "session policy": world.aws.own_session,
    }
    _both(own[found["which"]], found, found["where"])


@_says(rf"Allow the role {_LIST} in its permission policy and in the key policy{_DENIES}")
def _key(world: World, found: re.Match[str], message: str) -> None:
    _both(_role(world).permissions, found)
    _both(world.aws.key_policy, found)


@_says(rf"Allow the operator {_LIST}")
def _own_rights(world: World, found: re.Match[str], message: str) -> None:
    _allow(world.aws.own_permissions, re.findall(r"iam:\w+", found.string))


# -- the role


def _name(role: Role, principal: str) -> None:
    named = role.trust["Principal"]["AWS"]
    role.trust["Principal"] = {"AWS": [*(named if isinstance(named, list) else [named]), principal]}


def _require(role: Role, external_id: str) -> None:
    role.trust["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}


@_says(
    rf"Check that the role exists, that its trust policy names {_WHO}, that its sts:ExternalId equals "
    r"spec.s3.externalID, and that the policy of the operator allows sts:AssumeRole on the role"
)
def _four_causes(world: World, found: re.Match[str], message: str) -> None:
    world.aws.roles.setdefault(ROLE, world.intended_role())
    _name(_role(world), found["who"])
    _require(_role(world), EXTERNAL_ID)
    _allow(world.aws.own_permissions, ["sts:AssumeRole"], ROLE)


@_says(
    rf"Name {_WHO} in the trust policy of the role, let its sts:ExternalId equal spec.s3.externalID, and "
    rf"remove any Deny of {_LIST} there"
)
def _trust_policy(world: World, found: re.Match[str], message: str) -> None:
    _name(_role(world), found["who"])
    _require(_role(world), EXTERNAL_ID)
    _remove_denials(_role(world).more_trust, _actions(found))


@_says(rf"Allow {_LIST} next to sts:AssumeRole, in the trust policy of the role and in the policy of {_WHO}")
def _beside(world: World, found: re.Match[str], message: str) -> None:
    assert found["who"] in world.aws.principals
    trust = _role(world).trust
    trust["Action"] = [*([trust["Action"]] if isinstance(trust["Action"], str) else trust["Action"]), *_actions(found)]
    _allow(world.aws.own_permissions, _actions(found))


@_says(r"Name the principal in the trust policy and let sts:ExternalId equal spec.s3.externalID")
def _name_reltio(world: World, found: re.Match[str], message: str) -> None:
    assert RELTIO in message
    _name(_role(world), RELTIO)
    _require(_role(world), EXTERNAL_ID)


@_says(r"Add the condition StringEquals sts:ExternalId to the role's trust policy")
def _add_condition(world: World, found: re.Match[str], message: str) -> None:
    _role(world).trust.setdefault("Condition", {})["StringEquals"] = {"sts:ExternalId": EXTERNAL_ID}


@_says(r"Use StringEquals instead of StringLike for sts:ExternalId in the trust policy")
def _exact(world: World, found: re.Match[str], message: str) -> None:
    _require(_role(world), EXTERNAL_ID)


@_says(r"Set spec.s3.externalID or externalIDSecretRef, and require it in the role's trust policy")
def _external_id(world: World, found: re.Match[str], message: str) -> None:
    _spec(world, s3={"externalID": EXTERNAL_ID})
    _require(_role(world), EXTERNAL_ID)


@_says(r"Create the role")
def _create_role(world: World, found: re.Match[str], message: str) -> None:
    world.aws.roles[ROLE] = world.intended_role()


@_says(r"Correct the account and path in spec.s3.roleARN")
def _role_arn(world: World, found: re.Match[str], message: str) -> None:
    (actual,) = [arn for arn in re.findall(r"arn:aws:iam::\d+:role/[\w/-]+", message) if arn in world.aws.roles]
    _spec(world, s3={"roleARN": actual})


@_says(r"Set the role's maximum session duration \(MaxSessionDuration\) to (?P<seconds>\d+) seconds")
def _session_duration(world: World, found: re.Match[str], message: str) -> None:
    _role(world).max_session = int(found["seconds"])


# -- the bucket


@_says(r"Create the bucket")
def _create_bucket(world: World, found: re.Match[str], message: str) -> None:
    world.aws.buckets[world.spec["s3"]["bucket"]] = Bucket()


@_says(r"Set spec.s3.region of the ExportTarget to (?P<region>[\w-]+)")
def _region(world: World, found: re.Match[str], message: str) -> None:
    _spec(world, s3={"region": found["region"]})


@_says(r"Set spec.s3.bucket of the ExportTarget to the name of the bucket itself")
def _bucket_name(world: World, found: re.Match[str], message: str) -> None:
    _spec(world, s3={"bucket": BUCKET})


@_says(r"Turn on all four settings of Block Public Access for the bucket")
def _block_public_access(world: World, found: re.Match[str], message: str) -> None:
    world.aws.buckets[BUCKET].public_access_blocked = True


@_says(r"Correct spec.s3.serverSideEncryption, or the default encryption of the bucket")
def _encryption(world: World, found: re.Match[str], message: str) -> None:
    world.aws.buckets[BUCKET].encrypts_with = ""


# -- the operator's place


@_says(r"Give its ServiceAccount a role with IRSA or EKS Pod Identity")
def _own_role(world: World, found: re.Match[str], message: str) -> None:
    world.aws.principal = "arn:aws:iam::111122223333:user/operator"


@_says(r"Correct the clock of the operator's node")
def _clock(world: World, found: re.Match[str], message: str) -> None:
    world.aws.clock_is_right = True


@_says(r"Enable (?P<region>[\w-]+) in the account of the operator")
def _enable_region(world: World, found: re.Match[str], message: str) -> None:
    world.aws.regions.add(found["region"])


@_says(r"Check the proxies and gateways between the operator and AWS")
def _portal(world: World, found: re.Match[str], message: str) -> None:
    world.aws.is_behind_a_portal = False


@_says(r"Check the network between the operator and AWS")
def _network_to_aws(world: World, found: re.Match[str], message: str) -> None:
    world.aws.s3_answers = True


@_says(r"Switch off the setting sessionTags, or the session tags of the EKS Pod Identity association")
def _tags(world: World, found: re.Match[str], message: str) -> None:
    world.aws.own_tags_take = 0


@_says(r"^No action is needed")
def _nothing(world: World, found: re.Match[str], message: str) -> None:
    """The outage passes, as the remedy says."""


# -- Reltio and Secrets


@_says(r"Correct them in the Secret that spec.reltio.credentialsSecretRef names")
@_says(r"Create or correct the Secret, or correct spec.reltio.credentialsSecretRef")
def _credentials(world: World, found: re.Match[str], message: str) -> None:
    world.secret()


@_says(r"Create or correct the Secret, or correct spec.s3.(?P<field>\w+)")
def _external_id_secret(world: World, found: re.Match[str], message: str) -> None:
    ref = world.spec["s3"][found["field"]]
    value = EXTERNAL_ID if found["field"] == "externalIDSecretRef" else world.previous_external_id
    world.kube.secrets[NAMESPACE, ref["name"]] = {ref.get("key", "externalID"): value}


@_says(r"kubectl label secret -n (?P<namespace>\S+) (?P<name>\S+) export.reltio.com/allow=true")
def _label(world: World, found: re.Match[str], message: str) -> None:
    world.kube.not_opted_in.discard((found["namespace"], found["name"]))


@_says(r"spec.reltio.authURL, and the network")
def _network_to_reltio(world: World, found: re.Match[str], message: str) -> None:
    world.connect()


@_says(r"Check that spec.reltio.exportServiceURL and spec.reltio.authURL are services of Reltio")
@_says(r"Correct spec.reltio.environment, spec.reltio.exportServiceURL or spec.reltio.authURL")
def _urls(world: World, found: re.Match[str], message: str) -> None:
    _spec(world, reltio=RIGHT_URLS)


@_says(r"give the client a role with export permissions \(such as ROLE_API\) on the tenant in spec.reltio.tenant")
def _role_in_reltio(world: World, found: re.Match[str], message: str) -> None:
    world.clients(Client(CLIENT.id, CLIENT.secret))
