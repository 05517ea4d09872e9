"""Which form of an answer a client accepts: plain JSON or YAML, a Table, or metadata alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import not_acceptable


@dataclass(frozen=True, slots=True)
class Form:
    """`target` is empty, `Table`, `PartialObjectMetadata` or an aggregated discovery kind; `media` the content type."""

    target: str = ""
    media: str = "application/json"
    group: str = ""
    version: str = ""

    @property
    def content_type(self) -> str:
        if not self.target.startswith("APIGroupDiscovery"):
            return self.media
        return f"{self.media};g={self.group};v={self.version};as={self.target}"


_TARGETS = {
    ("meta.k8s.io", "v1", "Table"): "Table",
    ("meta.k8s.io", "v1", "PartialObjectMetadata"): "PartialObjectMetadata",
    ("meta.k8s.io", "v1", "PartialObjectMetadataList"): "PartialObjectMetadata",
    ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList"): "APIGroupDiscoveryList",
}
_MEDIA = {
    "application/json": "application/json",
    "application/*": "application/json",
    "*/*": "application/json",
    "application/yaml": "application/yaml",
}
_PLAIN = Form()


def _parse(clause: str) -> tuple[str, Mapping[str, str]]:
    media, *parameters = (part.strip() for part in clause.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return media, {key: value for key, _, value in pairs}


def choose(accept: str, *, targets: bool = True) -> Form:
    """The first form of an Accept header that this server has; 406 if there is none."""
    if not accept or accept in ("application/json", "*/*"):
        return _PLAIN
    for clause in accept.split(","):
        media, parameters = _parse(clause)
        if media not in _MEDIA:
            continue
        if "as" not in parameters:
            return Form(media=_MEDIA[media])
        key = (parameters.get("g", ""), parameters.get("v", ""), parameters["as"])
        if targets and key in _TARGETS:
            return Form(_TARGETS[key], _MEDIA[media], key[0], key[1])
    raise not_acceptable(["application/json", "application/yaml"])
