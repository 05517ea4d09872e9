"""`spec.maxForeignTasks` while the tasks of the tenant cannot be counted."""

from __future__ import annotations

import httpx

from .matrix import is_over
from .test_unreadable_objects import conditions
from .world import NAMESPACE, TARGET, World


def test_a_job_waits_while_the_tasks_of_others_cannot_be_counted(world: World) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxForeignTasks": 0}})
    handle, refuses = world.wire._handle, [True]

    def refusing(request: httpx.Request) -> httpx.Response:
        if refuses and request.url.path.endswith("/tasks"):
            return httpx.Response(403, json={"errorMessage": "no"}, request=request)
        return handle(request)

    world.wire._handle = refusing
    world.submit_job()
    world.start()
    world.wait(lambda: False, within=1800)
    assert world.service.submissions == []
    assert conditions(world.job())["Reconciling"] == ("True", "AccessDenied")
    refuses.clear()
    world.wait(lambda: is_over(world))
    assert conditions(world.job())["Complete"] == ("True", "Delivered")
    assert len(world.service.exports) == 1
