"""A job that somebody would put back is not deleted when its time to live is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import T0, condition, job, running, stamp
from reltio_export_operator.jobs.observation import Decision, DeleteJob, Observation
from reltio_export_operator.jobs.policies import decide
from reltio_export_operator.jobs.retention import recreated_by


def expired(metadata: dict[str, Any]) -> Decision:
    status = running("COMPLETED", conditions=[condition("Complete")], completionTime=stamp())
    finished = job(status=status, spec={"ttlSecondsAfterFinished": 10}, metadata=metadata)
    return decide(Observation(job=finished, now=T0 + timedelta(seconds=11)))


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({}, None),
        ({"labels": {"app": "exports"}}, None),
        ({"managedFields": [{"manager": "kubectl-client-side-apply"}]}, None),
        (
            {"ownerReferences": [{"apiVersion": "export.reltio.com/v1alpha1", "kind": "ExportSchedule", "name": "n"}]},
            None,
        ),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "app:x"}}, "Argo CD"),
        ({"labels": {"app.kubernetes.io/instance": "exports"}}, "Argo CD or Helm"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "exports"}}, "Flux"),
        ({"annotations": {"meta.helm.sh/release-name": "exports"}}, "Helm"),
        (
            {
                "annotations": {"argocd.argoproj.io/tracking-id": "app:x", "argocd.argoproj.io/hook": "PostSync"},
                "managedFields": [{"manager": "argocd-controller"}],
            },
            None,
        ),
        ({"annotations": {"helm.sh/hook": "post-upgrade"}, "managedFields": [{"manager": "helm"}]}, None),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kustomize-controller"}]}, "Flux"),
        ({"managedFields": [{"manager": "Terraform"}]}, "Terraform"),
        ({"ownerReferences": [{"apiVersion": "apps.acme/v1", "kind": "Bundle", "name": "b"}]}, "Bundle b"),
    ],
)
def test_who_would_put_it_back(metadata: dict[str, Any], keeper: str | None) -> None:
    assert recreated_by(job(metadata=metadata)) == keeper


def test_a_job_that_nobody_puts_back_is_deleted() -> None:
    assert isinstance(expired({}).action, DeleteJob)


def test_a_job_kept_in_git_stays_as_a_small_tombstone_that_says_why() -> None:
    decision = expired({"annotations": {"argocd.argoproj.io/tracking-id": "app:x"}})
    assert not isinstance(decision.action, DeleteJob)
    assert decision.status.tasks == ()
    retained = next(c for c in decision.status.conditions if c.type == "Retained")
    assert "Argo CD" in retained.message
    assert any(c.type == "Complete" for c in decision.status.conditions)
