"""What the simulator holds and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Client:
    """An API client of the authentication service."""

    id: str
    secret: str = field(repr=False)
    tenants: frozenset[str] | None = None  # None: all


@dataclass
class Tenant:
    """How many objects of each kind a tenant holds."""

    id: str
    entities: int = 1000
    relations: int = 400
    activities: int = 600
    merges: int = 50
    max_tasks: int = 100  # background tasks, running or scheduled


@dataclass
class SimulatorConfig:
    """Behaviour that may be changed while the simulator runs. Times in simulated seconds."""

    time_scale: float = 1.0  # simulated seconds that pass in a real one
    pick_up: float = 5.0  # nodes look for scheduled tasks at this interval
    stage: float = 2.0  # length of each stage other than exporting
    objects_per_second: float = 100.0
    objects_per_file: int = 250
    objects_per_task: int = 100_000  # larger exports are cut into sibling tasks
    token_life: float = 3600.0
    group_id: bool = True
    compression: str = "GZIP"  # or NONE
    page_cap: int = 1000
