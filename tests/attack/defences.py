"""The code that takes one defence away, for the control of a row: it runs in the operator's process before it starts.

A name that the product no longer has makes the operator end at once, and with it the control.
"""

from __future__ import annotations

_ANY_HOST = """
from reltio_export_operator.reltio.hosts import ReltioHosts
assert ReltioHosts.check_url and ReltioHosts.check_request and ReltioHosts.check_address
ReltioHosts.check_url = ReltioHosts.check_request = lambda self, url: None
ReltioHosts.check_address = lambda self, host, address: None
ReltioHosts.permits = lambda self, address: True
"""

PRELUDES: dict[str, str] = {
    "Secrets opt in": """
from reltio_export_operator.api import opt_in
assert opt_in.has_opted_in
opt_in.has_opted_in = lambda type_, labels: True
""",
    "allowed roles": """
from reltio_export_operator.runtime.allowed_roles import AllowedRoles
assert AllowedRoles.allows
AllowedRoles.allows = lambda self, namespace, role_arn: True
""",
    "masking of secrets": """
from reltio_export_operator.api import foreign
assert foreign.quote and foreign.Needles.mask
foreign.quote = lambda text, secrets, limit=512: text._text if isinstance(text, foreign.ForeignText) else str(text)
foreign.Needles.mask = lambda self, text, cut=False: text
""",
    "allowed hosts": _ANY_HOST,
    "redirects are not followed": _ANY_HOST
    + """
import httpx
from reltio_export_operator.reltio import transport
send = httpx.AsyncClient.send
async def following(self, request, **options):
    return await send(self, request, **{**options, "follow_redirects": True})
httpx.AsyncClient.send = following
""",
    "only documented errors are quoted": """
from reltio_export_operator.reltio import quoting
assert quoting.outline
quoting.outline = lambda response: response.text[:512]
""",
    "answer limits": """
from reltio_export_operator.runtime import bounds
bounds.lift_answer_limits()
""",
    "limits of deliveries": """
from reltio_export_operator.delivery import limits
limits.LIMITS = limits.UNLIMITED
""",
    "text is cut and patterns are linear": """
import re
from reltio_export_operator.api import foreign
from reltio_export_operator.reltio import errors
assert foreign.MAX_FOREIGN and errors.quote and errors._REQUEST_ID
foreign.MAX_FOREIGN = 1 << 30
errors.quote = lambda text, secrets, limit=512: text._text if isinstance(text, foreign.ForeignText) else str(text)
errors._REQUEST_ID = re.compile(r"\\s*[([]?\\b(?:request|trace)[ _-]?id\\b[:= ]*[\\w-]+[)\\].,;]*", re.IGNORECASE)
""",
    "ownership of tasks": """
from reltio_export_operator.jobs import ownership
assert ownership.is_named_for and ownership.TaskIndex.tasks_of
tasks_of = ownership.TaskIndex.tasks_of
def named(task, submission):
    return any(submission.name.lower() in name.lower() for name in task.given_names)
def anywhere(self, submission, known_ids=(), groups=()):
    found = {task.id for task in self.by_id.values() if named(task, submission)}
    return tasks_of(self, submission, {*known_ids, *found}, groups)
ownership.is_named_for, ownership.TaskIndex.tasks_of = named, anywhere
""",
    "records of attempts name their object": """
from reltio_export_operator.jobs import identity
assert identity.origin
identity.origin = lambda job: "Own" if identity.record_of(job) is not None else None
from reltio_export_operator.jobs.policies import recovering
assert recovering._doubt
recovering._doubt = lambda obs, record: None
""",
    "restored objects wait for a person": """
from reltio_export_operator.jobs import identity
assert identity.awaits_choice
identity.awaits_choice = lambda job: None
""",
    "the annotation keeps the attempt": """
from reltio_export_operator.jobs import identity
assert identity.lost_attempt and identity._contradictions_of_annotation
identity.lost_attempt = lambda job: None
identity._contradictions_of_annotation = lambda job: ()
""",
    "jobs without a record are searched for": """
from reltio_export_operator.controllers.jobs.census import Census
assert Census.is_open
Census.is_open = lambda self, job: False
""",
    "the finalizer is put back": """
from reltio_export_operator.jobs import identity
assert identity.needs_mark
identity.needs_mark = lambda job: False
""",
    "unreadable objects are isolated": """
from reltio_export_operator.api.decoding import decode_job, decode_target
from reltio_export_operator.api.meta import JOBS, TARGETS
from reltio_export_operator.controllers.jobs import reconciler
assert reconciler.fill
async def fill(cache, census, kube, namespace, wake):
    async for raw in kube.list_objects(TARGETS, namespace):
        cache.put_target(decode_target(raw))
    async for raw in kube.list_objects(JOBS, namespace):
        cache.put_job(decode_job(raw))
        wake((raw["metadata"]["namespace"], raw["metadata"]["name"]))
reconciler.fill = fill
""",
    "namespaces are listed one by one": """
import asyncio
from reltio_export_operator.controllers.manager import Manager
assert Manager._sync_caches
async def together(self):
    while True:
        try:
            for namespace in list(self._unsynced):
                await self._sync_cache(namespace)
            break
        except Exception:
            await asyncio.sleep(1)
    for namespace in list(self._unsynced):
        for key in self._unsynced.pop(namespace):
            self.jobs.add(key)
Manager._sync_caches = together
""",
    "what a changed Secret made is dropped": """
from reltio_export_operator.controllers.access import Access
assert Access._drop_unused
Access._drop_unused = lambda self, values: None
""",
    "a refused job lets others go first": """
from reltio_export_operator.controllers.cache import JobCache
assert JobCache.give_up_turn
JobCache.give_up_turn = lambda self, job: None
""",
    "small calls have threads of their own": """
from reltio_export_operator.aws.sessions import RoleSessions
assert RoleSessions.run_bulk
RoleSessions.run_bulk = RoleSessions.run
""",
    "a region that hangs takes no threads from others": """
from concurrent.futures import ThreadPoolExecutor
from reltio_export_operator.aws import calls
from reltio_export_operator.controllers import manager
from reltio_export_operator.runtime.slots import SlotLimits, Slots
assert manager.LimitedCalls is calls.LimitedCalls
class Shared(calls.UnlimitedCalls):
    def __init__(self, circuits, small, bulk):
        super().__init__(ThreadPoolExecutor(small), ThreadPoolExecutor(bulk))
    def slots_by_region(self, limits):
        return Slots(SlotLimits(limits.place, limits.place, 0))
    def shutdown(self):
        pass
manager.LimitedCalls = Shared
""",
    "a call that waits holds no worker": """
from contextlib import asynccontextmanager
from reltio_export_operator.runtime import circuits, permits
assert permits.Permit.given_back and circuits.Circuit.seconds_until_call and circuits.Circuit.is_proven
@asynccontextmanager
async def kept(permit):
    yield
permits.Permit.given_back = kept
circuits.Circuit.seconds_until_call = 0.0
circuits.Circuit.is_proven = True
""",
}
