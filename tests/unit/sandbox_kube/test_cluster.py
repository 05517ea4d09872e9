"""What follows from changes to objects, and what a watch shows of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import yaml

from answers.record import DEFINITION
from reltio_export_sandbox.apiserver import KubeServer

REPORTS = "/apis/answers.example.com/v1alpha1/namespaces/default/reports"
MAPS = "/api/v1/namespaces/default/configmaps"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Api:
    """A client that answers with status and body."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def __call__(self, method: str, path: str, body: Any = None, kind: str = "json") -> tuple[int, Any]:
        headers = {"Content-Type": f"application/{kind}"}
        async with self._session.request(method, self._url + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def report(self, name: str, **meta: Any) -> Any:
        spec = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}
        body = {"apiVersion": "answers.example.com/v1alpha1", "kind": "Report", "spec": spec}
        _, created = await self("POST", REPORTS, {**body, "metadata": {"name": name, **meta}})
        return created

    async def config_map(self, name: str) -> str:
        _, created = await self("POST", MAPS, {"metadata": {"name": name}})
        return str(created["metadata"]["uid"])

    async def names(self, path: str = REPORTS) -> list[str]:
        return [item["metadata"]["name"] for item in (await self("GET", path))[1]["items"]]

    async def merge(self, path: str, body: Any) -> tuple[int, Any]:
        return await self("PATCH", path, body, "merge-patch+json")

    @contextlib.asynccontextmanager
    async def watch(self, query: str, path: str = REPORTS) -> AsyncIterator[Any]:
        async with self._session.get(f"{self._url}{path}?watch=1&{query}") as response:

            async def following() -> tuple[str, str]:
                event = await asyncio.wait_for(response.content.readline(), 5)
                loaded = json.loads(event)
                return loaded["type"], loaded["object"]["metadata"].get("name", "")

            yield following


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    server = KubeServer(crds=[yaml.safe_load(DEFINITION.read_text())])
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Api(session, server.url)
    await server.stop()


def owner(name: str, uid: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, **more}


async def test_what_was_owned_goes_with_its_last_owner(api: Api) -> None:
    first, second = await api.config_map("first"), await api.config_map("second")
    await api.report("owned", ownerReferences=[owner("first", first), owner("second", second)])
    await api("DELETE", f"{MAPS}/first")
    assert await api.names() == ["owned"]
    await api("DELETE", f"{MAPS}/second")
    assert await api.names() == []


async def test_orphans_stay_and_forget_their_owner(api: Api) -> None:
    uid = await api.config_map("first")
    await api.report("owned", ownerReferences=[owner("first", uid)])
    await api("DELETE", f"{MAPS}/first", {"propagationPolicy": "Orphan"})
    assert "ownerReferences" not in (await api("GET", f"{REPORTS}/owned"))[1]["metadata"]


async def test_an_object_whose_owner_is_not_there_is_collected(api: Api) -> None:
    await api.report("owned", ownerReferences=[owner("gone", "1")])
    assert await api.names() == []


async def test_an_object_whose_owner_is_of_a_kind_that_is_not_served_stays(api: Api) -> None:
    await api.report(
        "owned", ownerReferences=[{"apiVersion": "example.com/v1", "kind": "Other", "name": "x", "uid": "1"}]
    )
    assert await api.names() == ["owned"]


async def test_a_foreground_deletion_waits_for_the_dependents_that_block_it(api: Api) -> None:
    uid = await api.config_map("first")
    blocking = owner("first", uid, blockOwnerDeletion=True)
    await api.report("owned", ownerReferences=[blocking], finalizers=["x.io/y"])
    code, waiting = await api("DELETE", f"{MAPS}/first", {"propagationPolicy": "Foreground"})
    assert code == 202
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    await api.merge(f"{REPORTS}/owned", {"metadata": {"finalizers": None}})
    assert await api.names() == []
    assert (await api("GET", f"{MAPS}/first"))[0] == 404


async def test_a_namespace_is_emptied_and_goes_after_its_last_object(api: Api) -> None:
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "n1"}})
    held = {"metadata": {"name": "held", "finalizers": ["x.io/y"]}}
    await api("POST", "/api/v1/namespaces/n1/configmaps", held)
    await api("POST", "/api/v1/namespaces/n1/configmaps", {"metadata": {"name": "free"}})
    _, going = await api("DELETE", "/api/v1/namespaces/n1")
    assert going["status"] == {"phase": "Terminating"}
    code, refused = await api("POST", "/api/v1/namespaces/n1/configmaps", {"metadata": {"name": "late"}})
    assert (code, refused["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    assert await api.names("/api/v1/namespaces/n1/configmaps") == ["held"]
    await api.merge("/api/v1/namespaces/n1/configmaps/held", {"metadata": {"finalizers": None}})
    assert (await api("GET", "/api/v1/namespaces/n1"))[0] == 404


async def test_a_definition_that_is_changed_serves_the_new_schema_and_keeps_the_objects(api: Api) -> None:
    await api.report("early")
    name = f"{DEFINITIONS}/reports.answers.example.com"
    _, definition = await api("GET", name)
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["added"] = {"type": "string", "default": "x"}
    assert (await api("PUT", name, definition))[0] == 200
    assert (await api.report("late"))["spec"]["added"] == "x"
    assert await api.names() == ["early", "late"]


async def test_a_definition_that_is_deleted_takes_its_objects_along_and_is_held_by_those_that_stay(api: Api) -> None:
    await api.report("held", finalizers=["x.io/y"])
    name = f"{DEFINITIONS}/reports.answers.example.com"
    assert "deletionTimestamp" in (await api("DELETE", name))[1]["metadata"]
    assert await api.names() == ["held"]
    await api.merge(f"{REPORTS}/held", {"metadata": {"finalizers": None}})
    assert (await api("GET", name))[0] == 404


async def test_a_definition_with_a_keyword_that_the_sandbox_does_not_know_is_refused(api: Api) -> None:
    definition = yaml.safe_load(DEFINITION.read_text())
    definition["metadata"]["name"], definition["spec"]["names"]["plural"] = "others.answers.example.com", "others"
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["multipleOf"] = 2
    code, refused = await api("POST", DEFINITIONS, definition)
    assert code == 422
    assert "the sandbox does not evaluate multipleOf" in refused["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"type": "object", "description": "Metadata."}}, "must not specify anything other than name"),
        ({"added": {"description": "Anything."}}, "must not be empty for specified object fields"),
        ({"added": {"type": "array"}}, "items: Required value: must be specified"),
        ({"added": {"type": "string", "enum": ["a"], "default": "b"}}, 'default: Unsupported value: "b"'),
        (
            {"added": {"type": "string", "x-kubernetes-validations": [{"rule": "self =", "message": "x"}]}},
            "compilation",
        ),
        (
            {"added": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}},
            "with properties",
        ),
    ],
)
async def test_a_definition_that_a_real_server_refuses_is_refused(api: Api, change: Any, words: str) -> None:
    name = f"{DEFINITIONS}/reports.answers.example.com"
    _, definition = await api("GET", name)
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] |= change
    code, refused = await api("PUT", name, definition)
    assert code == 422
    assert words in refused["message"]


async def test_a_collection_is_deleted_as_far_as_the_selector_reaches(api: Api) -> None:
    await api.report("kept")
    await api.report("gone", labels={"a": "b"})
    _, listed = await api("DELETE", f"{REPORTS}?labelSelector=a=b")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["gone"]
    assert await api.names() == ["kept"]


async def test_nothing_is_deleted_by_a_dry_run(api: Api) -> None:
    await api.report("kept")
    await api("DELETE", f"{REPORTS}/kept?dryRun=All")
    await api("DELETE", f"{REPORTS}?dryRun=All")
    await api("DELETE", f"{REPORTS}/kept", {"dryRun": ["All"]})
    assert await api.names() == ["kept"]


async def test_an_object_that_begins_or_ceases_to_match_is_added_to_a_watch_or_deleted_from_it(api: Api) -> None:
    version = (await api.report("one"))["metadata"]["resourceVersion"]
    async with api.watch(f"labelSelector=a=b&resourceVersion={version}") as following:
        await api.merge(f"{REPORTS}/one", {"metadata": {"labels": {"x": "y"}}})
        await api.merge(f"{REPORTS}/one", {"metadata": {"labels": {"a": "b"}}})
        assert await following() == ("ADDED", "one")
        await api.merge(f"{REPORTS}/one", {"metadata": {"labels": {"c": "d"}}})
        assert await following() == ("MODIFIED", "one")
        await api.merge(f"{REPORTS}/one", {"metadata": {"labels": {"a": None}}})
        assert await following() == ("DELETED", "one")
        await api("DELETE", f"{REPORTS}/one")
        await api.report("two", labels={"a": "b"})
        assert await following() == ("ADDED", "two")


async def test_what_was_wrong_before_and_has_not_changed_does_not_refuse_a_write(api: Api) -> None:
    """As since Kubernetes 1.33: a definition may become stricter while objects exist."""
    await api.report("early")
    name = f"{DEFINITIONS}/reports.answers.example.com"
    _, definition = await api("GET", name)
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["limit"] |= {"maximum": 1, "default": 1}
    await api("PUT", name, definition)
    assert (await api.merge(f"{REPORTS}/early", {"metadata": {"labels": {"a": "b"}}}))[0] == 200
    assert (await api.merge(f"{REPORTS}/early/status", {"status": {"phase": "Running"}}))[0] == 200
    code, refused = await api(
        "POST", REPORTS, {**(await api("GET", f"{REPORTS}/early"))[1], "metadata": {"name": "late"}}
    )
    assert code == 422
    assert "spec.limit in body should be less than or equal to 1" in refused["message"]
