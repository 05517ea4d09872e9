"""What the chart refuses to render, and what it says then."""

from __future__ import annotations

import pytest

from charts import Manifest, Refused, only, render

NO_ELECTION = {"settings": {"leaderElect": False}}
WITHOUT_ELECTION = "settings.leaderElect is false"

REFUSED: dict[str, tuple[Manifest, tuple[str, ...]]] = {
    "two replicas without election": (NO_ELECTION, ("replicas is 2", WITHOUT_ELECTION, "Set replicas to 1")),
    "three replicas without election": ({"replicas": 3, **NO_ELECTION}, ("replicas is 3", WITHOUT_ELECTION)),
    "a roll-out without election": (
        {"replicas": 1, "strategy": {"type": "RollingUpdate"}, **NO_ELECTION},
        ("strategy.type is RollingUpdate", WITHOUT_ELECTION, "Recreate"),
    ),
    "a roll-out that is none": (
        {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
        ("Remove strategy.rollingUpdate",),
    ),
    "election turned off by a variable": (
        {"extraEnv": [{"name": "RELTIO_EXPORT_LEADER_ELECT", "value": "false"}]},
        ("extraEnv", "RELTIO_EXPORT_LEADER_ELECT", "settings.leaderElect"),
    ),
    "two CA bundles": (
        {"caBundle": {"configMapName": "a", "secretName": "b"}},
        ("caBundle.configMapName", "caBundle.secretName"),
    ),
    "a policy of roles without roles": (
        {"allowedRolesPolicy": {"enabled": True}},
        ("allowedRolesPolicy.enabled", "Set settings.allowedRoles"),
    ),
    "a pattern without the form of an ARN": ({"settings": {"allowedRoles": {"sales": ["exporter"]}}}, ("pattern",)),
    "no ServiceAccount": ({"serviceAccount": {"create": False}}, ("serviceAccount.name",)),
    "a variable of the chart": (
        {"extraEnv": [{"name": "RELTIO_EXPORT_NAMESPACES", "value": "sales"}]},
        ("RELTIO_EXPORT_NAMESPACES", "watch.namespaces"),
    ),
    "the name of the Lease": (
        {"extraEnv": [{"name": "RELTIO_EXPORT_LEASE_NAME", "value": "x"}]},
        ("RELTIO_EXPORT_LEASE_NAME", "Remove it from extraEnv"),
    ),
    "a variable twice": (
        {"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        ("extraEnv sets A, which is set already",),
    ),
    "a volume of the chart": ({"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}, ("extraVolumes", "tmp")),
    "a ServiceMonitor without a Service": (
        {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
        ("metrics.service.enabled",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_cannot_work_are_refused_with_what_to_do(case: str) -> None:
    values, texts = REFUSED[case]
    with pytest.raises(Refused) as refused:
        render(values)
    assert all(text in str(refused.value) for text in texts), refused.value


def test_election_can_be_asked_for_in_so_many_words() -> None:
    manifests = render({"replicas": 3, "settings": {"leaderElect": True}})
    assert only(manifests, "Deployment")["spec"]["replicas"] == 3
