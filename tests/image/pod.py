"""A container of a pod, run by runc or crun from the unpacked image as the kubelet would have it run.

What the Deployment says is taken from the rendered chart: user, groups, read-only root, capabilities, privilege
escalation, command, environment and volumes. The network is that of the machine, so that the sandbox's services on
loopback are in reach. A seccomp profile is not set, because its default belongs to the container runtime.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Raw = dict[str, Any]
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
DEFAULT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID")
_MOUNTS: list[Raw] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "mode=1777"]},
    {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]},
]


@dataclass(frozen=True)
class Image:
    """The image as `hack/image.py bundle` unpacked it."""

    folder: Path
    config: Raw = field(repr=False)

    @classmethod
    def unpacked_in(cls, folder: Path) -> Image:
        return cls(folder, json.loads((folder / "config.json").read_text())["config"])

    @property
    def rootfs(self) -> Path:
        return self.folder / "rootfs"

    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])


def runtime() -> str:
    found = shutil.which("runc") or shutil.which("crun")
    assert found, "runc or crun is needed: install the package of that name"
    return found


def oci_spec(image: Image, pod: Raw, files: dict[str, Path], cluster: dict[str, str], *, user: str | None) -> Raw:
    """The runtime's configuration of the pod's only container.

    `files` are folders of the machine by the path where the container sees them; `cluster` are variables that the
    kubelet adds; `user` is `uid:gid` as an admission plugin may set it over the Deployment's.
    """
    (container,) = pod["containers"]
    context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    uid, gid = _user(user or image.config["User"], {} if user else context)
    dropped = context.get("capabilities", {}).get("drop", [])
    kept = [] if "ALL" in dropped else [f"CAP_{name}" for name in DEFAULT_CAPABILITIES if name not in dropped]
    environment = {**image.environment(), **cluster, **_variables(container)}
    folders = [*_empty_dirs(pod, container), *(_bind(path, source) for path, source in files.items())]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": gid, "additionalGids": [g for g in (context.get("fsGroup"),) if g]},
            "args": _command(image, container),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": image.config.get("WorkingDir") or "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), kept),
            "noNewPrivileges": context.get("allowPrivilegeEscalation") is False,
        },
        "root": {"path": str(image.rootfs), "readonly": context.get("readOnlyRootFilesystem", False)},
        "hostname": "exports-0",
        "mounts": [*_MOUNTS, *folders],
        "linux": {"namespaces": [{"type": name} for name in ("pid", "ipc", "uts", "mount")]},
    }


def _user(numbers: str, context: Raw) -> tuple[int, int]:
    uid, _, gid = numbers.partition(":")
    return context.get("runAsUser", int(uid)), context.get("runAsGroup", int(gid or 0))


def _command(image: Image, container: Raw) -> list[str]:
    command, arguments = container.get("command"), container.get("args")
    if command:
        return [*command, *(arguments or [])]
    return [*(image.config.get("Entrypoint") or []), *(arguments or image.config.get("Cmd") or [])]


def _variables(container: Raw) -> dict[str, str]:
    of_pod = {"metadata.name": "exports-0", "metadata.namespace": "ops", "status.podIP": "127.0.0.1"}
    variables: dict[str, str] = {}
    for entry in container.get("env", []):
        reference = entry.get("valueFrom")
        variables[entry["name"]] = of_pod[reference["fieldRef"]["fieldPath"]] if reference else entry.get("value", "")
    return variables


def _empty_dirs(pod: Raw, container: Raw) -> list[Raw]:
    empty = {volume["name"] for volume in pod.get("volumes", []) if "emptyDir" in volume}
    return [
        {
            "destination": mount["mountPath"],
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "nodev", "mode=1777"],
        }
        for mount in container.get("volumeMounts", [])
        if mount["name"] in empty
    ]


def _bind(path: str, source: Path) -> Raw:
    return {"destination": path, "type": "bind", "source": str(source), "options": ["bind", "ro", "nosuid", "nodev"]}


class Container:
    """A container that runs in the background, its output in a file. A context manager: it is gone at the end."""

    def __init__(self, spec: Raw, folder: Path) -> None:
        self._id = f"reltio-{secrets.token_hex(4)}"
        self._folder = folder / self._id
        self._spec = spec
        self._process: asyncio.subprocess.Process | None = None
        self._runtime = (runtime(), "--root", str(self._folder / "state"))
        self.log = self._folder / "output.log"

    async def __aenter__(self) -> Container:
        self._folder.mkdir()
        (self._folder / "config.json").write_text(json.dumps(self._spec))
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._runtime, "run", "--bundle", str(self._folder), self._id, stdin=DEVNULL, stdout=log, stderr=log
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._call("delete", "--force", self._id)
        await self.exit_code()

    async def exit_code(self) -> int:
        """Wait until the container's first process has ended; its exit code."""
        assert self._process is not None
        return await self._process.wait()

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    async def signal(self, name: str) -> None:
        code, output = await self._call("kill", self._id, name)
        assert code == 0, output

    async def _call(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *self._runtime, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()
