"""Build the operator's image with buildah, podman or docker, and, where no base image can be pulled, make one.

    python3 hack/image.py build                    `make image`
    python3 hack/image.py base                     `make image-base`: a base image from Debian packages
    python3 hack/image.py bundle FOLDER            `make image-test`: build, and unpack the image to run it
    python3 hack/image.py missing                  Debian packages that `bundle` needs and that are not there

Variables: IMAGE (name and tag), PYTHON_IMAGE (base image), CONTAINER_ENGINE, PLATFORMS (linux/amd64,linux/arm64),
CA_BUNDLE (authorities to trust while packages are fetched; by default those of the system), SOURCE (URL in the label).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
ENGINES = ("buildah", "podman", "docker")
DEFAULT_BASE = "python:3.13-slim"
DEBIAN_BASE = "localhost/reltio-export-operator-base:debian"
DEBIAN_PACKAGES = "python3,python3-venv,ca-certificates"
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
LARGEST_SECRET = 500 * 1024  # BuildKit takes no larger one


class NotRunError(Exception):
    """The machine lacks what is needed; says what."""


@dataclass(frozen=True)
class Engine:
    """buildah, podman or docker; `store` are options that keep its images apart from those of the user."""

    name: str
    store: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, quiet: bool = False) -> str:
        """Run it; returns its standard output when `quiet`, and shows it otherwise."""
        command = [self.name, *self.store, *arguments]
        pipe = subprocess.PIPE if quiet else None
        done = subprocess.run(command, cwd=ROOT, env=self._env(), stdout=pipe, stderr=pipe, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout or ""

    def works(self) -> bool:
        try:
            self.run("info", quiet=True)
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def has(self, image: str) -> bool:
        try:
            self.run(
                "inspect", *(["--type", "image"] if self.name != "docker" else ["--type=image"]), image, quiet=True
            )
        except subprocess.CalledProcessError:
            return False
        return True

    def pulls(self, image: str) -> bool:
        try:
            self.run("pull", image, quiet=True)
        except subprocess.CalledProcessError:
            return False
        return True

    def _env(self) -> dict[str, str]:
        # The steps of the build need no container of their own; chroot works in containers and without a daemon.
        return {"BUILDAH_ISOLATION": "chroot", "DOCKER_BUILDKIT": "1", **os.environ, **self.environment}


def find_engine(store: Path | None = None) -> Engine:
    """The engine that is there and works. With `store`, one that does not need a daemon keeps its images in there."""
    chosen = os.environ.get("CONTAINER_ENGINE")
    for name in (chosen,) if chosen else ENGINES:
        if shutil.which(name):
            for options in stores(name, store):
                engine = Engine(name, options)
                if engine.works():
                    return engine
    raise NotRunError(f"{chosen} does not work." if chosen else f"None of {', '.join(ENGINES)} is there and works.")


def stores(name: str, store: Path | None) -> list[Sequence[str]]:
    if store is None or name == "docker":
        return [()]
    place = (f"--root={store / 'images'}", f"--runroot={store / 'run'}")
    drivers = [os.environ["STORAGE_DRIVER"]] if "STORAGE_DRIVER" in os.environ else ["overlay", "vfs"]
    return [(*place, f"--storage-driver={driver}") for driver in drivers]


def version() -> str:
    text = (ROOT / "operator" / "reltio_export_operator" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found is not None
    return found[1]


def revision() -> str:
    """The commit, with `-dirty` when the files differ from it; empty outside of a repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def build(engine: Engine, image: str, base: str) -> None:
    arguments = {
        "PYTHON_IMAGE": base,
        "VERSION": version(),
        "REVISION": revision(),
        "SOURCE": os.environ.get("SOURCE", ""),
    }
    arguments |= {name: os.environ[name] for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX") if name in os.environ}
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    if bundle := ca_bundle():
        options.append(f"--secret=id=ca-bundle,src={bundle}")
    options += platforms(engine, image) or [f"--tag={image}"]
    if engine.name == "buildah":
        options.append("--layers")  # keep intermediate layers, as the others do, so that the next build is quick
    engine.run("build", *options, ".")


def platforms(engine: Engine, image: str) -> list[str]:
    """Options for an image of several architectures, each built on a machine or an emulator of its own."""
    wanted = os.environ.get("PLATFORMS")
    if not wanted:
        return []
    name = "tag" if engine.name == "docker" or "," not in wanted else "manifest"
    return [f"--platform={wanted}", f"--{name}={image}"]


def ca_bundle() -> str:
    for path in (os.environ["CA_BUNDLE"],) if os.environ.get("CA_BUNDLE") else CA_BUNDLES:
        if Path(path).is_file() and Path(path).stat().st_size <= LARGEST_SECRET:
            return path
    return ""


def make_debian_base(engine: Engine, folder: Path) -> str:
    """Make a base image from Debian packages, for tests: it has none of the security updates. Returns its name."""
    if engine.has(DEBIAN_BASE):
        return DEBIAN_BASE
    if os.geteuid() or not shutil.which("debootstrap"):
        raise NotRunError(
            "No base image can be pulled, and making one needs root and debootstrap. Set PYTHON_IMAGE to an image with "
            "python3."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tree = folder / "tree"
    print("Making a base image from Debian packages.", flush=True)
    command = ["debootstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", debian(), str(tree)]
    with (folder / "debootstrap.log").open("wb") as log:
        if subprocess.run(command, stdout=log, stderr=log, check=False).returncode:
            raise NotRunError(f"debootstrap failed; see {log.name}.")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY tree /\n")
    (folder / ".dockerignore").write_text("tree/var/cache/apt/archives/*.deb\n")
    engine.run("build", f"--tag={DEBIAN_BASE}", str(folder), quiet=True)
    shutil.rmtree(tree)
    return DEBIAN_BASE


def debian() -> str:
    """The release of this machine, or the oldest with the Python that the operator needs."""
    text = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)", text, re.MULTILINE)
    return found[1] if found and re.search(r"^ID=debian$", text, re.MULTILINE) else "bookworm"


def choose_base(engine: Engine, folder: Path) -> str:
    chosen = os.environ.get("PYTHON_IMAGE")
    if chosen:
        return chosen
    if engine.has(DEFAULT_BASE) or (not engine.has(DEBIAN_BASE) and engine.pulls(DEFAULT_BASE)):
        return DEFAULT_BASE
    return make_debian_base(engine, folder)


def check_runtime() -> None:
    if os.geteuid():
        raise NotRunError("The image is run by runc or crun as root; you are not root.")
    if not (shutil.which("runc") or shutil.which("crun")):
        raise NotRunError("Neither runc nor crun is there.")


def missing_packages() -> list[str]:
    missing = []
    try:
        find_engine(BUILD / "containers")
    except NotRunError:
        missing.append("buildah")
    if not (shutil.which("runc") or shutil.which("crun")):
        missing.append("runc")
    if not (os.environ.get("PYTHON_IMAGE") or shutil.which("debootstrap")):
        missing.append("debootstrap")
    return missing


def unpack(engine: Engine, image: str, folder: Path) -> None:
    """Lay the image's files out in `folder/rootfs`, and its configuration (as OCI names it) in `folder/config.json`."""
    rootfs = folder / "rootfs"
    shutil.rmtree(rootfs, ignore_errors=True)
    rootfs.mkdir(parents=True)
    if engine.name == "buildah":
        described = json.loads(engine.run("inspect", "--type=image", image, quiet=True))["OCIv1"]
        container = engine.run("from", "--pull-never", image, quiet=True).strip()
        mounted = engine.run("mount", container, quiet=True).strip()
        subprocess.run(["cp", "-a", f"{mounted}/.", str(rootfs)], check=True)
        engine.run("rm", container, quiet=True)
    else:
        described = json.loads(engine.run("image", "inspect", image, quiet=True))[0]
        described = {"config": described["Config"], "architecture": described["Architecture"]}
        container = engine.run("create", image, quiet=True).strip()
        archive = folder / "rootfs.tar"
        engine.run("export", "--output", str(archive), container, quiet=True)
        engine.run("rm", container, quiet=True)
        subprocess.run(["tar", "-C", str(rootfs), "-xpf", str(archive)], check=True)
        archive.unlink()
    (folder / "config.json").write_text(json.dumps(described, indent=1))


def main() -> None:
    image = os.environ.get("IMAGE") or f"reltio-export-operator:{version()}"
    match sys.argv[1:]:
        case ["build"]:
            build(find_engine(), image, os.environ.get("PYTHON_IMAGE") or DEFAULT_BASE)
        case ["base"]:
            print(make_debian_base(find_engine(), BUILD / "base"))
        case ["bundle", folder]:
            check_runtime()
            engine = find_engine(BUILD / "containers")
            base = choose_base(engine, BUILD / "base")
            build(engine, image, base)
            unpack(engine, image, Path(folder))
        case ["missing"]:
            print(*missing_packages())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except NotRunError as reason:
        sys.exit(f"NOT RUN: {reason}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.stderr or ''}{' '.join(error.cmd[:4])}… failed with exit code {error.returncode}.")
