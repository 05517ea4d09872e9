"""A life in Git: a real Git repository, and the part of a GitOps tool that matters to exports.

The tool applies what Git has (server-side apply, as Argo CD does), marks what it applied, compares, and prunes what has
the mark and is not in Git any more.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import CustomObjectsApi
from kubernetes.aio.client.exceptions import ApiException

from .demo import GROUP, PLURALS, VERSION

Raw = dict[str, Any]
WITHIN = 120.0
_MANAGER, _MARK = "argocd-controller", "argocd.argoproj.io/tracking-id"


class GitError(Exception):
    """Git is missing or failed. The text says what to do, or what Git printed."""


class Repository:
    """Manifests in Git, a file for each object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "-q", "-b", "main")

    def commit(self, message: str, *, write: tuple[Raw, ...] = (), remove: tuple[str, ...] = ()) -> None:
        for manifest in write:
            (self._folder / f"{manifest['metadata']['name']}.yaml").write_text(yaml.safe_dump(manifest))
        for name in remove:
            (self._folder / f"{name}.yaml").unlink()
        self._git("add", "--all")
        self._git("commit", "-q", "-m", message)

    def revert(self) -> None:
        """Take the last commit back with another one."""
        self._git("revert", "--no-edit", "HEAD")

    def manifests(self) -> list[Raw]:
        """What the newest commit has. Targets come first."""
        names = self._git("ls-tree", "--name-only", "HEAD").split()
        found = [yaml.safe_load(self._git("show", f"HEAD:{name}")) for name in names]
        return sorted(found, key=lambda manifest: str(manifest["kind"]), reverse=True)

    def _git(self, *arguments: str) -> str:
        """Raises GitError. The settings of the user are not read."""
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "demo"), ("EMAIL", "demo@localhost"))}  # fmt: skip
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        program = shutil.which("git")
        if program is None:
            raise GitError("git was not found. Install Git, or put it on PATH.")
        command = [program, *arguments]
        done = subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise GitError(f"git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout


class Application:
    """What a GitOps tool does with a repository and a namespace."""

    def __init__(self, repository: Repository, objects: CustomObjectsApi, namespace: str) -> None:
        self.repository = repository
        self._objects = objects
        self._namespace = namespace

    async def sync(self) -> None:
        """Apply what Git has, whether it changed or not, and delete what Git does not have any more."""
        wanted = self.repository.manifests()
        for manifest in wanted:
            await self._apply(manifest)
        names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
        for kind, plural in PLURALS.items():
            listed = await self._objects.list_namespaced_custom_object(GROUP, VERSION, self._namespace, plural)
            for raw in listed["items"]:
                name = raw["metadata"]["name"]
                if _MARK in raw["metadata"].get("annotations", {}) and (kind, name) not in names:
                    await self.delete(kind, name)

    async def diff(self) -> list[str]:
        """Names of the objects that a sync would change."""
        changed = []
        for manifest in self.repository.manifests():
            live = await self.get(manifest["kind"], manifest["metadata"]["name"])
            predicted = await self._apply(manifest, dry_run="All")
            if any(live["metadata"].get(part) != predicted["metadata"].get(part) for part in ("labels", "generation")):
                changed.append(str(manifest["metadata"]["name"]))
        return changed

    async def replace(self, manifest: Raw) -> None:
        """As with `Replace=true`: the object becomes the manifest, without what others added to its metadata."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        live = await self.get(kind, name)
        version = {"resourceVersion": live["metadata"]["resourceVersion"]}
        body = {**_marked(manifest), "metadata": {**_marked(manifest)["metadata"], **version}}
        await self._objects.replace_namespaced_custom_object(
            GROUP, VERSION, self._namespace, PLURALS[kind], name, body, field_manager=_MANAGER
        )

    async def create(self, raw: Raw) -> None:
        await self._objects.create_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURALS[raw["kind"]], raw)

    async def patch(self, kind: str, name: str, change: Raw) -> None:
        await self._objects.patch_namespaced_custom_object(
            GROUP, VERSION, self._namespace, PLURALS[kind], name, change,
            _content_type="application/merge-patch+json",
        )  # fmt: skip

    async def delete(self, kind: str, name: str) -> None:
        await self._objects.delete_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURALS[kind], name)

    async def get(self, kind: str, name: str) -> Raw:
        found: Raw = await self._objects.get_namespaced_custom_object(
            GROUP, VERSION, self._namespace, PLURALS[kind], name
        )
        return found

    async def is_gone(self, kind: str, name: str) -> bool:
        try:
            await self.get(kind, name)
        except ApiException as error:
            if error.status == 404:
                return True
            raise
        return False

    async def _apply(self, manifest: Raw, **options: Any) -> Raw:
        applied: Raw = await self._objects.patch_namespaced_custom_object(
            GROUP,
            VERSION,
            self._namespace,
            PLURALS[manifest["kind"]],
            manifest["metadata"]["name"],
            _marked(manifest),
            field_manager=_MANAGER,
            force=True,
            _content_type="application/apply-patch+yaml",
            **options,
        )
        return applied


@dataclass(frozen=True)
class Step:
    """One thing that a person or a tool did, and how many exports were meant until then."""

    text: str
    meant: int


async def story(app: Application, target: Raw, restart: Callable[[], Awaitable[None]]) -> AsyncIterator[Step]:
    """The life of exports in Git, step by step. Each step has ended, and every export with it, when it is returned.

    Raises TimeoutError if one does not end within WITHIN seconds.
    """
    git = app.repository

    async def wait(check: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WITHIN):
            while True:
                if await check():
                    return
                await asyncio.sleep(0.1)

    def ended(name: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            raw = await app.get("ExportJob", name)
            is_over = bool({"Complete", "Failed"} & _true(raw))
            return is_over and not raw["metadata"].get("finalizers")

        return check

    def gone(name: str) -> Callable[[], Awaitable[bool]]:
        return lambda: app.is_gone("ExportJob", name)

    first = _job("people-1", labels={"team": "mdm"})
    git.commit("Export people", write=(target, first))
    await app.sync()
    await wait(ended("people-1"))
    yield Step("committed a target and a job, and synced", 1)

    await app.sync()
    await app.sync()
    yield Step(f"synced twice more; objects that differ from Git: {await app.diff() or 'none'}", 1)

    await app.patch("ExportJob", "people-1", {"metadata": {"labels": {"team": "other"}}})
    differs = await app.diff()
    await app.sync()
    yield Step(f"changed a label by hand ({differs} differed), and healed it", 1)

    await app.replace(first)
    await app.sync()
    yield Step("replaced the finished job by its manifest", 1)

    git.commit("Export people again", write=(_job("people-2"),), remove=("people-1",))
    await app.sync()
    await wait(gone("people-1"))
    await wait(ended("people-2"))
    yield Step("renamed the job in Git: a new export, and the old job is pruned", 2)

    await restart()
    await app.sync()
    yield Step("restarted the operator, and synced", 2)

    git.commit("Keep for no time", write=(_job("people-3", ttlSecondsAfterFinished=0),))
    await app.sync()
    await wait(ended("people-3"))

    async def is_retained() -> bool:
        return "Retained" in _true(await app.get("ExportJob", "people-3"))

    await wait(is_retained)
    await app.sync()
    yield Step("a job whose time to live is over is kept, because Git would create it again", 3)

    git.revert()
    await app.sync()
    await wait(gone("people-3"))
    yield Step("reverted that commit: the job is pruned", 3)

    kept = await app.get("ExportJob", "people-2")
    await app.delete("ExportJob", "people-2")
    await wait(gone("people-2"))
    await app.create(_restored(kept))
    await app.sync()

    async def asks() -> bool:
        conditions = (await app.get("ExportJob", "people-2")).get("status", {}).get("conditions", [])
        return any(one["reason"] == "RestoredCopy" for one in conditions)

    await wait(asks)
    await app.patch("ExportJob", "people-2", {"metadata": {"annotations": {"export.reltio.com/restored": "adopt"}}})
    await wait(ended("people-2"))
    yield Step("deleted the job, restored it from a backup without its status, and adopted its export", 3)

    await app.delete("ExportJob", "people-2")
    await wait(gone("people-2"))
    await app.sync()
    await wait(ended("people-2"))
    yield Step("deleted the job while Git has it: the tool creates it again, which is one more export", 4)

    git.commit("No exports", remove=("people-2",))
    await app.sync()
    await wait(gone("people-2"))
    yield Step("removed the job from Git: it is pruned, and the files stay", 4)


def _job(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Raw:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ExportJob",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities", "fileFormat": "JSON"}, **spec},
    }


def _marked(manifest: Raw) -> Raw:
    metadata = manifest["metadata"]
    mark = {_MARK: f"exports:{GROUP}/{manifest['kind']}:{metadata['name']}"}
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **mark}}}


def _restored(raw: Raw) -> Raw:
    """As a backup tool puts it back: a new object with the old metadata, and without status."""
    kept = {key: raw["metadata"][key] for key in ("name", "labels", "annotations") if key in raw["metadata"]}
    return {key: raw[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": kept}


def _true(raw: Raw) -> set[str]:
    return {one["type"] for one in raw.get("status", {}).get("conditions", []) if one["status"] == "True"}
