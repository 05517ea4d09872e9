"""The examples, with the addresses and names of a sandbox in the place of those of a company."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where the services of a sandbox are, and what it lets in."""

    export_service_url: str
    auth_url: str
    tenant: str
    bucket: str
    region: str
    role_arn: str
    secrets: Mapping[str, str]  # values of Secrets by their keys


def filled(text: str, place: Place) -> list[Manifest]:
    """The manifests of a file for this sandbox. What a file leaves out stays out."""
    return [_filled(document, place) for document in yaml.safe_load_all(text) if document]


def write(source: Path, folder: Path, place: Place) -> None:
    """Write the examples of a folder for this sandbox, and nothing else, such as values of the chart."""
    for path in sorted(source.rglob("*.yaml")):
        documents = filled(path.read_text(), place)
        if all("kind" in document for document in documents):
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(yaml.safe_dump_all(documents, sort_keys=False))


def _filled(document: Manifest, place: Place) -> Manifest:
    found = copy.deepcopy(document)
    if found.get("kind") == "Secret":
        text = found.get("stringData", {})
        found["stringData"] = {key: place.secrets.get(key, value) for key, value in text.items()}
    elif found.get("kind") == "ExportTarget":
        reltio, s3 = found["spec"]["reltio"], found["spec"]["s3"]
        reltio.pop("environment", None)
        reltio |= {
            "exportServiceURL": place.export_service_url,
            "authURL": place.auth_url,
            "tenant": place.tenant,
        }
        s3 |= {"bucket": place.bucket, "region": place.region, "roleARN": place.role_arn}
        if "externalID" in s3:
            s3["externalID"] = place.secrets["externalID"]
    return found
