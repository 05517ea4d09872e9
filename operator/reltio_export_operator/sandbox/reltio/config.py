"""What the simulator holds and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Client:
    """An API client of the authentication service."""

    id: str
    secret: str = field(repr=False)
    tenants: frozenset[str] | None = None  # None: all
    users: dict[str, str] = field(default_factory=dict, repr=False)  # passwords by name, for the password grant


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
    control_delay: float = 2.0  # the part in progress holds up a pause or a stop for at most this long
    objects_per_second: float = 100.0
    objects_per_file: int = 250
    objects_per_task: int = 100_000  # larger exports are cut into sibling tasks
    token_life: float = 3600.0
    multi_token: bool = False  # every request of client credentials gets a new token
    long_tokens: bool = False  # about 3000 characters
    group_id: bool = True
    total_key: str = "total"  # or value, as the OpenAPI text has it
    compression: str = "GZIP"  # or ZIP, NONE
    json_array: bool = False  # the layout of JSON files is not documented
    page_cap: int = 1000
    task_limit_status: int = 400  # not documented
    session_seconds: int | None = None  # DurationSeconds of the assumed role; None: what STS gives by default
