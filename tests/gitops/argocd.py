"""Runs Lua as Argo CD does: Lua 5.1, `obj` as the only input, no files, no network, of `os` only the date.

Argo CD's test data (`health_test.yaml`, `action_test.yaml`) is read as its own repository lays it out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from lupa import lua51

Raw = dict[str, Any]
ROOT = Path(__file__).parents[2] / "deploy" / "argocd"
CUSTOMIZATIONS = ROOT / "resource_customizations" / "export.reltio.com"
NOW = datetime(2031, 1, 15, 3, tzinfo=UTC)
# What Argo CD's interpreter has: the base library, tables and strings, and a part of `os` that cannot reach the system.
_LIBRARIES = ("string", "table", "math", "ipairs", "pairs", "next", "type", "tostring", "tonumber", "setmetatable",
              "getmetatable", "error", "pcall", "select", "unpack")  # fmt: skip


def run_lua(script: str, obj: Raw, *, now: datetime = NOW) -> Any:
    """What the script returns, as Python values. An empty table is an empty list, as Argo CD decodes it.

    Raises lupa.lua51.LuaError.
    """
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    everything = runtime.globals()

    def date(form: str) -> str:
        assert form.startswith("!"), "the time zone of the server that runs Argo CD is not for a script to know"
        return now.strftime(form[1:])

    environment = runtime.table_from({name: everything[name] for name in _LIBRARIES})
    system = runtime.table_from({"date": date})
    environment["os"] = system
    environment["require"] = lambda name: {"os": system}[name]
    environment["obj"] = runtime.table_from(obj, recursive=True)
    load = runtime.eval("function(text, env) local f, e = loadstring(text); if not f then error(e) end; "
                        "setfenv(f, env); return f() end")  # fmt: skip
    return _python(load(script, environment))


def _python(value: Any) -> Any:
    if lua51.lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    items = dict(value.items())
    if list(items) == list(range(1, len(items) + 1)):
        return [_python(item) for item in items.values()]
    return {str(key): _python(item) for key, item in items.items()}


def health(kind: str, obj: Raw) -> Raw:
    return dict(run_lua((CUSTOMIZATIONS / kind / "health.lua").read_text(), obj))


def discovered(kind: str, obj: Raw) -> list[Raw]:
    """The actions that Argo CD offers for this object, by name."""
    found = run_lua((CUSTOMIZATIONS / kind / "actions" / "discovery.lua").read_text(), obj)
    return [{"name": name, **found[name]} for name in sorted(found)]


def act(kind: str, action: str, obj: Raw) -> Any:
    """What Argo CD would write: the changed object, or a list of operations and their objects."""
    done = run_lua((CUSTOMIZATIONS / kind / "actions" / action / "action.lua").read_text(), obj)
    if isinstance(done, list):
        return [{"k8sOperation": one["operation"], "unstructuredObj": one["resource"]} for one in done]
    return done


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def without_empty(value: Any) -> Any:
    """Without empty lists and objects, which are the same in Lua. Argo CD restores them from the object itself."""
    if isinstance(value, dict):
        return {key: without_empty(item) for key, item in value.items() if item not in ({}, [])}
    return [without_empty(item) for item in value] if isinstance(value, list) else value
