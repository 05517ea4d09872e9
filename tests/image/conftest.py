"""The image as it was built, and the Deployment of the chart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from image.pod import Image
from tools import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "reltio-export-operator"
Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def image() -> Image:
    folder = Path(os.environ.get("IMAGE_BUNDLE", ROOT / "build" / "image"))
    if not (folder / "config.json").is_file():
        pytest.fail(f"{folder} holds no unpacked image: run `make image-test`.")
    return Image.unpacked_in(folder)


def render(*arguments: str) -> list[Manifest]:
    """The manifests of a release in the namespace `ops`."""
    command = [tool("helm"), "template", "exports", str(CHART), "--namespace", "ops", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def pod_of(manifests: list[Manifest]) -> Manifest:
    (deployment,) = (manifest for manifest in manifests if manifest["kind"] == "Deployment")
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


def config_maps(manifests: list[Manifest], pod: Manifest, folder: Path) -> dict[str, Path]:
    """The pod's ConfigMaps as folders, by where its container sees them. Projected volumes may hold several."""
    data = {one["metadata"]["name"]: one.get("data", {}) for one in manifests if one["kind"] == "ConfigMap"}
    found: dict[str, Path] = {}
    paths = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0].get("volumeMounts", [])}
    for volume in pod["volumes"]:
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        names = [source["configMap"]["name"] for source in sources if "configMap" in source]
        if names and volume["name"] in paths:
            place = folder / f"volume-{volume['name']}"
            place.mkdir()
            for file, text in ((file, text) for name in names for file, text in data[name].items()):
                (place / file).write_text(text)
            found[paths[volume["name"]]] = place
    return found
