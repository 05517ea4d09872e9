"""Reading files holds up no small call, and files take turns."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from aws_fakes import FakeClient, object_answer
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore, StoredObject

KEY = RoleKey(Owner("mdm", "lake"), "arn:aws:iam::111122223333:role/r", None, "us-east-1", (), 3600)
LISTING = {"Contents": [{"Key": "manifest.json", "Size": 2, "ETag": '"e"'}], "IsTruncated": False}


def store_on(client: FakeClient, small: ThreadPoolExecutor, bulk: ThreadPoolExecutor) -> ObjectStore:
    role = AssumedRole(KEY, client, datetime(2031, 1, 15, tzinfo=UTC))  # type: ignore[arg-type]
    return ObjectStore(RoleSessions(small, bulk=bulk), role, "lake")


async def test_small_calls_do_not_wait_while_every_thread_for_files_is_taken() -> None:
    taken, release = threading.Semaphore(0), threading.Event()

    def get(*, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if Key != "manifest.json":
            taken.release()
            release.wait()
        return object_answer(b"{}")

    client = FakeClient(
        get_object=get, list_objects_v2=lambda **_: LISTING, put_object=lambda **_: {}, delete_object=lambda **_: {}
    )
    with ThreadPoolExecutor(1) as small, ThreadPoolExecutor(2) as bulk:
        store = store_on(client, small, bulk)
        files = [asyncio.create_task(store.check_file(StoredObject(f"part-{n}", 2, ""))) for n in range(8)]
        try:
            for _ in range(2):
                await asyncio.to_thread(taken.acquire)
            # Every thread for files waits, with six files behind them. If one of these waited too, it would never end.
            manifest = StoredObject("manifest.json", 2, "")
            assert [item.key async for item in store.list("")] == ["manifest.json"]
            assert await store.exists("manifest.json")
            assert await store.read(manifest) == b"{}"
            await store.put("receipt", b"")
            await store.delete("receipt")
            assert not any(file.done() for file in files)
        finally:
            release.set()
        assert [summary.problem for summary in await asyncio.gather(*files)] == [None] * 8


async def test_a_small_file_ends_before_a_large_one_that_was_begun_first() -> None:
    contents = {"large.csv": b"a,b\n" * (8 << 18), "small.csv": b"a,b\n"}
    client = FakeClient(get_object=lambda *, Key, **_: object_answer(contents[Key]))  # noqa: N803
    ended: list[str] = []

    with ThreadPoolExecutor(1) as pool:
        store = store_on(client, pool, pool)

        async def check(key: str) -> None:
            await store.check_file(StoredObject(key, len(contents[key]), ""))
            ended.append(key)

        await asyncio.gather(check("large.csv"), check("small.csv"))
    assert ended == ["small.csv", "large.csv"]
