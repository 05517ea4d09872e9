"""Who would put a deleted job back, and with it start a second export."""

from __future__ import annotations

from ..api.job import ExportJob
from ..api.meta import GROUP

# What the tools write on the objects that they keep in step with a source elsewhere.
_MARKS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "app.kubernetes.io/instance": "Argo CD or Helm",  # Argo CD's default until 3.0
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
    "configmanagement.gke.io/managed": "Config Sync",
    "configsync.gke.io/resource-id": "Config Sync",
    "objectset.rio.cattle.io/id": "Fleet",
    "kapp.k14s.io/app": "kapp",
    "addonmanager.kubernetes.io/mode": "the add-on manager",
}
# A hook runs at each sync or release whether its last object still exists or not, so deleting that starts nothing.
_HOOKS = ("argocd.argoproj.io/hook", "helm.sh/hook")
_MANAGERS = {
    "argocd": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "flux": "Flux",
    "helm": "Helm",
    "fleet": "Fleet",
    "configsync": "Config Sync",
    "kapp": "kapp",
    "pulumi": "Pulumi",
    "terraform": "Terraform",
    "hashicorp": "Terraform",
    "crossplane": "Crossplane",
}


def recreated_by(job: ExportJob) -> str | None:
    """Name of the tool or owner that would create the job again once it is deleted; None when nobody would.

    Recognized by tracking labels and annotations, by field managers, and by owners that are not of our own group. A
    hook is an export for each sync, as its author asked.
    """
    meta = job.metadata
    if any(hook in meta.annotations for hook in _HOOKS):
        return None
    if any(str(owner.get("apiVersion", "")).startswith(f"{GROUP}/") for owner in meta.owner_references):
        return None  # an ExportSchedule gives each job a new name, whatever labels its template has
    by_attempt = next((tool for mark, tool in _MARKS.items() if mark in meta.labels or mark in meta.annotations), None)
    if by_attempt:
        return by_attempt
    for entry in meta.managed_fields:
        manager = str(entry.get("manager", "")).lower()
        for prefix, tool in _MANAGERS.items():
            if manager.startswith(prefix):
                return tool
    for owner in meta.owner_references:
        return f"{owner.get('kind')} {owner.get('name')}"
    return None
