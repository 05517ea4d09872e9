"""How GitOps tools compare a manifest with the object in the cluster."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]


def three_way(manifest: Raw, live: Raw) -> Raw:
    """What Argo CD's legacy comparison of a custom resource shows: a JSON merge patch (RFC 7386) from the object to the
    manifest, where the manifest is also what was applied last. Fields that the manifest does not have are not compared;
    lists are compared as a whole. Empty: no drift.
    """
    patch: Raw = {}
    for key, wanted in manifest.items():
        found = live.get(key)
        if isinstance(wanted, dict) and isinstance(found, dict):
            if inner := three_way(wanted, found):
                patch[key] = inner
        elif wanted != found:
            patch[key] = wanted
    return patch


def structured(live: Raw, predicted: Raw) -> Raw:
    """What Argo CD's structured comparison shows: the object against the result of a dry run of server-side apply.

    As in Argo CD, who owns a field and which version the object has are not compared.
    """
    return three_way(_compared(predicted), _compared(live)) | three_way(_compared(live), _compared(predicted))


def _compared(raw: Raw) -> Raw:
    unread = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
    metadata = {key: value for key, value in raw["metadata"].items() if key not in unread}
    return {**{key: value for key, value in raw.items() if key != "status"}, "metadata": metadata}
