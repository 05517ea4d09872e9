"""What the simulator holds and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# What the default role of a client may do with exports: service permissions, object and privilege.
ROLE_API = frozenset({"export.data:EXECUTE", "export.tasks:READ", "export.tasks:UPDATE", "export.tasks:EXECUTE"})


@dataclass(frozen=True)
class Client:
    """An API client of the authentication service."""

    id: str
    secret: str = field(repr=False)
    tenants: frozenset[str] | None = None  # None: all
    users: dict[str, str] = field(default_factory=dict, repr=False)  # passwords by name, for the password grant
    administrator: bool = False  # may use the paths without a tenant, and _forceStop
    permissions: frozenset[str] = ROLE_API


@dataclass
class Tenant:
    """How many objects of each kind a tenant holds."""

    id: str
    entities: int = 1000
    relations: int = 400
    activities: int = 600
    merges: int = 50
    connections: int = 120  # of its hierarchy
    activity_items: int = 0  # items of each activity: CSV has a row for each of them, JSON an object for the activity
    hides_types: bool = False  # its metadata permissions name other roles: exports have no objects, and no error
    max_tasks: int = 100  # background tasks, running or scheduled
    updates: dict[int, int] = field(default_factory=dict)  # of entities, by their number: milliseconds since 1970


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
    tokens_per_second: int | None = None  # more are answered 429
    token_without_lifetime: bool = False  # no expires_in
    group_id: bool = True
    show_names: bool = True  # tasks have a name; not every example of the documentation has one
    numeric_ids: bool = False  # ids of tasks are JSON numbers
    names_in_lists: bool = True
    list_waiting: bool = True  # whether the list of active tasks has those that are WAITING
    shuffled_lists: bool = False  # each page comes from another order
    serial: bool = False  # tasks of a tenant run one after the other, with parallelExecution false
    export_names: bool = False  # parameters.exportName is the name that was given, not one that the service made up
    wrap_names: bool = False  # tasks are called entity-export-task[<name>_<hex>]
    clock_skew: float = 0.0  # added to every time that a task shows
    counter_scale: int = 1  # multiplies the counters of tasks, which then disagree with what is delivered
    total_key: str = "total"  # or value, as the OpenAPI text has it
    compression: str = "GZIP"  # or ZIP, NONE
    json_array: bool = False  # the layout of JSON files is not documented
    total_counts: Literal["objects", "read", "records", "items"] = "objects"  # what totalObjects of the manifest is
    default_template: str = "part-{{n}}"  # or part_{{n}}, as the overview page has it
    number_separator: str = ""  # before the number, if the template has no place for it; - in the OpenAPI text
    format_extension: bool = False  # .csv.gz instead of .gz, as on the overview page
    append_extension: bool = True  # false: names have no extension at all
    combined_names: Literal["name", "exportName"] = "name"  # what combined files are called by
    subdirectory: str = ""  # of the path, into which the service puts everything
    manifest_names: Literal["name", "key", "s3", "https"] = "name"  # how the manifest lists files
    page_cap: int = 1000
    task_limit_status: int = 400  # not documented
    gateway_403: Literal["", "html", "json", "empty"] = ""  # the caller's address is not allowed: every call is refused
    storage_error: str = ""  # S3, GCS or AZURE: the service's own bucket is gone
    region_detection: Literal["HeadBucket", "GetBucketLocation"] = "HeadBucket"  # without s3Region
    renew_sessions: bool = False  # assume the role again for each file; else once a task
    session_seconds: int | None = None  # DurationSeconds of the assumed role; None: what STS gives by default
