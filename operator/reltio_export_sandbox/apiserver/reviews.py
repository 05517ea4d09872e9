"""Reviews of access: what `kubectl auth` asks. The sandbox has one user, who may do everything."""

from __future__ import annotations

from typing import Any

from . import errors
from .objects import now

USER = {"username": "sandbox", "uid": "sandbox", "groups": ["system:masters", "system:authenticated"]}
_KINDS = {
    "selfsubjectaccessreviews": ("authorization.k8s.io", "SelfSubjectAccessReview"),
    "selfsubjectrulesreviews": ("authorization.k8s.io", "SelfSubjectRulesReview"),
    "selfsubjectreviews": ("authentication.k8s.io", "SelfSubjectReview"),
}
GROUPS = ("authentication.k8s.io", "authorization.k8s.io")


def is_review(parts: list[str]) -> bool:
    """Whether a path, cut at its slashes, is that of a review."""
    return len(parts) == 4 and parts[2] == "v1" and _KINDS.get(parts[3], ("",))[0] == parts[1]


def resource_list(group: str) -> dict[str, Any]:
    """Discovery of a group of reviews."""
    listed = [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": False,
            "kind": kind,
            "verbs": ["create"],
        }
        for plural, (of, kind) in _KINDS.items()
        if of == group
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/v1", "resources": listed}


def answer(plural: str, given: Any) -> dict[str, Any]:
    """A review with its status. Raises ApiError 400 for another kind."""
    group, kind = _KINDS[plural]
    if not isinstance(given, dict) or given.get("kind", kind) != kind:
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {kind})")
    reviewed = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": {}, "spec": given.get("spec", {})}
    match plural:
        case "selfsubjectaccessreviews":
            return {**reviewed, "status": {"allowed": True}}
        case "selfsubjectrulesreviews":
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            anywhere = {"verbs": ["*"], "nonResourceURLs": ["*"]}
            rules = {"resourceRules": [everything], "nonResourceRules": [anywhere], "incomplete": False}
            return {**reviewed, "spec": {}, "status": rules}
    del reviewed["spec"]
    return {**reviewed, "metadata": {"creationTimestamp": now()}, "status": {"userInfo": USER}}
