"""The built-in kinds that are served, with the fields that their protobuf messages and OpenAPI schemas have.

Numbers and types are those of `generated.proto` in k8s.io/api and k8s.io/apimachinery. In the table below a line
without indentation begins a message; a field is its number, name and type. `?` marks a field whose zero value is kept,
as a pointer in Go keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Schema = dict[str, Any]

_TABLE = """
ObjectMeta: Standard object's metadata.
  1 name string: Name must be unique within a namespace. Cannot be updated.
  2 generateName string: A prefix from which the server makes a unique name when no name is given.
  3 namespace string: Namespace defines the space within which each name must be unique. Cannot be updated.
  4 selfLink string: Deprecated, no longer set.
  5 uid string: The unique value in time and space for this object. Set by the server.
  6 resourceVersion string: The internal version of this object, to detect that it has changed. Set by the server.
  7 generation int64: A number that represents a generation of the desired state. Set by the server.
  8 creationTimestamp Time: When this object was created. Set by the server.
  9 deletionTimestamp Time: When this object is to be deleted. Set by the server after a request for deletion.
  10 deletionGracePeriodSeconds int64?: Seconds in which this object may end by itself. Set by the server.
  11 labels map<string>: Keys and values by which objects are organized and selected.
  12 annotations map<string>: Unstructured keys and values that tools store with an object.
  13 ownerReferences []OwnerReference: Objects that this object depends on. When all are deleted, so is this object.
  14 finalizers []string: Must be empty before the object is deleted from the registry.
  17 managedFields []ManagedFieldsEntry: Which manager set which fields. Set by the server.
OwnerReference: An owner in the same namespace, or of cluster scope.
  5 apiVersion string: API version of the referent.
  1 kind string: Kind of the referent.
  3 name string: Name of the referent.
  4 uid string: UID of the referent.
  6 controller bool?: If true, this reference points to the managing controller.
  7 blockOwnerDeletion bool?: If true, the owner cannot go before this object in a foreground deletion.
ManagedFieldsEntry: The fields that one manager owns.
  1 manager string: The workflow that manages these fields.
  2 operation string: Apply or Update.
  3 apiVersion string: The version of the resource to which the fields apply.
  4 time Time: When the manager last changed its fields.
  6 fieldsType string: FieldsV1.
  7 fieldsV1 FieldsV1: The fields.
  8 subresource string: The subresource through which the fields were written.
Namespace: Namespace provides a scope for Names. Use of multiple namespaces is optional.
  1 metadata ObjectMeta: Standard object's metadata.
  2 spec NamespaceSpec: Spec defines the behavior of the Namespace.
  3 status NamespaceStatus: Status describes the current status of a Namespace.
NamespaceSpec: Attributes of a Namespace.
  1 finalizers []string: Must be empty before the object is permanently removed from storage.
NamespaceStatus: Information about the current status of a Namespace.
  1 phase string: The current lifecycle phase of the namespace.
  2 conditions []NamespaceCondition: The latest available observations of the namespace's state.
NamespaceCondition: Details about the state of a namespace.
  1 type string: Type of namespace controller condition.
  2 status string: True, False or Unknown.
  4 lastTransitionTime Time: When the condition last changed.
  5 reason string: A word for the condition's last transition.
  6 message string: Details about the transition.
Secret: Secret holds secret data of a certain type.
  1 metadata ObjectMeta: Standard object's metadata.
  2 data map<bytes>: The secret data, base64 encoded. Keys consist of alphanumeric characters, '-', '_' or '.'.
  3 type string: Used to facilitate programmatic handling of secret data.
  4 stringData map<string>: Secret data in string form. Write-only: it is merged into data.
  5 immutable bool?: If true, data stored in the Secret cannot be updated.
ConfigMap: ConfigMap holds configuration data for pods to consume.
  1 metadata ObjectMeta: Standard object's metadata.
  2 data map<string>: The configuration data.
  3 binaryData map<bytes>: The binary data, base64 encoded.
  4 immutable bool?: If true, data stored in the ConfigMap cannot be updated.
ServiceAccount: An identity for processes, systems, and peripheral identities.
  1 metadata ObjectMeta: Standard object's metadata.
  2 secrets []ObjectReference: Secrets in the same namespace that pods running as this account may use.
  3 imagePullSecrets []LocalObjectReference: Secrets in the same namespace to use for pulling images.
  4 automountServiceAccountToken bool?: Whether pods running as this account have an API token mounted.
ObjectReference: Enough information to inspect or modify the referred object.
  1 kind string: Kind of the referent.
  2 namespace string: Namespace of the referent.
  3 name string: Name of the referent.
  4 uid string: UID of the referent.
  5 apiVersion string: API version of the referent.
  6 resourceVersion string: Specific resourceVersion to which this reference is made, if any.
  7 fieldPath string: A piece of the object, such as spec.containers{name}.
LocalObjectReference: A reference to an object in the same namespace.
  1 name string: Name of the referent.
Event: Event is a report of an event somewhere in the cluster.
  1 metadata ObjectMeta: Standard object's metadata.
  2 involvedObject ObjectReference: The object that this event is about.
  3 reason string: A short, machine understandable string that gives the reason for the transition.
  4 message string: A human-readable description of the status of this operation.
  5 source EventSource: The component reporting this event.
  6 firstTimestamp Time: The time at which the event was first recorded.
  7 lastTimestamp Time: The time at which the most recent occurrence of this event was recorded.
  8 count int32: The number of times this event has occurred.
  9 type string: Type of this event (Normal, Warning).
  10 eventTime MicroTime: Time when this Event was first observed.
  11 series EventSeries: Data about the Event series this event represents.
  12 action string: What action was taken or failed regarding the regarding object.
  13 related ObjectReference: Optional secondary object for more complex actions.
  14 reportingComponent string: Name of the controller that emitted this Event.
  15 reportingInstance string: ID of the controller instance.
EventSource: Information for an event.
  1 component string: Component from which the event is generated.
  2 host string: Node name on which the event is generated.
EventSeries: A series of events, something that was or is happening continuously.
  1 count int32: Number of occurrences in this series up to the last heartbeat time.
  2 lastObservedTime MicroTime: Time of the last occurrence observed.
ResourceQuota: ResourceQuota sets aggregate quota restrictions enforced per namespace.
  1 metadata ObjectMeta: Standard object's metadata.
LimitRange: LimitRange sets resource usage limits for each kind of resource in a Namespace.
  1 metadata ObjectMeta: Standard object's metadata.
Lease: Lease defines a lease concept.
  1 metadata ObjectMeta: Standard object's metadata.
  2 spec LeaseSpec: The specification of the Lease.
LeaseSpec: A specification of a Lease.
  1 holderIdentity string?: The identity of the holder of a current lease.
  2 leaseDurationSeconds int32?: Seconds that candidates wait before they force-acquire the lease.
  3 acquireTime MicroTime: Time when the current lease was acquired.
  4 renewTime MicroTime: Time when the current holder last updated the lease.
  5 leaseTransitions int32?: The number of transitions of a lease between holders.
  6 strategy string?: The strategy for picking the leader for coordinated leader election.
  7 preferredHolder string?: Signals to a lease holder that another one should take over.
DeleteOptions: How to delete.
  1 gracePeriodSeconds int64?: Seconds before the object should be deleted.
  2 preconditions Preconditions: Must be fulfilled before a deletion is carried out.
  3 orphanDependents bool?: Deprecated, use propagationPolicy.
  4 propagationPolicy string?: Orphan, Background or Foreground.
  5 dryRun []string: All, or nothing.
Preconditions: What must be true of an object.
  1 uid string?: The target UID.
  2 resourceVersion string?: The target resourceVersion.
SelfSubjectAccessReview: Whether the current user can perform an action.
  1 metadata ObjectMeta: Standard object's metadata.
  2 spec SelfSubjectAccessReviewSpec: The action.
  3 status SubjectAccessReviewStatus: The answer.
SelfSubjectAccessReviewSpec: An action on a resource or on a path.
  1 resourceAttributes ResourceAttributes: The resource.
  2 nonResourceAttributes NonResourceAttributes: The path.
ResourceAttributes: A resource and what is done to it.
  1 namespace string: Namespace of the action.
  2 verb string: A verb such as get.
  3 group string: API group of the resource.
  4 version string: API version of the resource.
  5 resource string: A resource type.
  6 subresource string: A part of the resource.
  7 name string: Name of the resource.
NonResourceAttributes: A path and what is done to it.
  1 path string: The URL path.
  2 verb string: An HTTP verb.
SubjectAccessReviewStatus: Whether it is allowed.
  1 allowed bool?: Whether it is allowed.
  2 reason string: Why.
SelfSubjectRulesReview: The actions that the current user can perform in a namespace.
  1 metadata ObjectMeta: Standard object's metadata.
  2 spec SelfSubjectRulesReviewSpec: The namespace.
SelfSubjectRulesReviewSpec: A namespace.
  1 namespace string: The namespace.
SelfSubjectReview: The attributes of the current user.
  1 metadata ObjectMeta: Standard object's metadata.
"""

_ATOMIC = ("ObjectReference", "LocalObjectReference")  # applied as a whole
_SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "bytes": {"type": "string", "format": "byte"},
    "Time": {"type": "string", "format": "date-time"},
    "MicroTime": {"type": "string", "format": "date-time"},
    "FieldsV1": {"type": "object"},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. `type` is a scalar or the name of a message; `shape` is `one`, `list` or `map`."""

    name: str
    type: str
    shape: str
    keeps_zero: bool
    description: str

    @property
    def is_message(self) -> bool:
        return self.type not in _SCALARS


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of a kind, or of a part of one, by their number."""

    name: str
    description: str
    fields: dict[int, Field]

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields.values() if field.name == name), None)


def _field(line: str) -> tuple[int, Field]:
    head, _, description = line.strip().partition(": ")
    number, name, kind = head.split()
    keeps_zero = kind.endswith("?")
    kind = kind.removesuffix("?")
    shape = "one"
    if kind.startswith("[]"):
        kind, shape = kind[2:], "list"
    elif kind.startswith("map<"):
        kind, shape = kind[4:-1], "map"
    return int(number), Field(name, kind, shape, keeps_zero, description)


def _read(table: str) -> dict[str, Message]:
    found: dict[str, Message] = {}
    current: dict[int, Field] = {}
    for line in table.strip().splitlines():
        if line.startswith(" "):
            number, field = _field(line)
            current[number] = field
        else:
            name, _, description = line.partition(": ")
            current = {}
            found[name] = Message(name, description, current)
    return found


MESSAGES = _read(_TABLE)
_OBJECT_META = Field("metadata", "ObjectMeta", "one", False, "")


@lru_cache(maxsize=64)
def schema(kind: str) -> Schema:
    """The OpenAPI v3 schema of a message. Not to be changed."""
    message = MESSAGES[kind]
    properties = {field.name: {"description": field.description, **_typed(field)} for field in message.fields.values()}
    if "metadata" in properties:
        text = {"type": "string"}
        properties = {"apiVersion": text, "kind": text, **properties}
    known: Schema = {"type": "object", "description": message.description, "properties": properties}
    return {**known, "x-kubernetes-map-type": "atomic"} if kind in _ATOMIC else known


def described(kind: str) -> Schema:
    """The same with references to the parts, as `components` gives them."""
    known = schema(kind)
    parts = {field.name: field for field in MESSAGES[kind].fields.values()}
    properties = {
        name: {"description": child["description"], **_typed(parts[name], by_reference=True)}
        if name in parts
        else child
        for name, child in known["properties"].items()
    }
    return {**known, "properties": properties}


def common() -> dict[str, Schema]:
    """The fields that every object has."""
    return {
        "apiVersion": {
            "type": "string",
            "description": "APIVersion defines the versioned schema of this representation of an object.",
        },
        "kind": {
            "type": "string",
            "description": "Kind is a string value representing the REST resource this object represents.",
        },
        "metadata": {"description": "Standard object's metadata.", **_typed(_OBJECT_META, by_reference=True)},
    }


def components() -> dict[str, Schema]:
    """All messages by the names that references use."""
    return {_component(name): described(name) for name in MESSAGES}


def _component(kind: str) -> str:
    return f"io.k8s.api.v1.{kind}"


def _typed(field: Field, *, by_reference: bool = False) -> Schema:
    if by_reference and field.is_message:
        item: Schema = {"allOf": [{"$ref": f"#/components/schemas/{_component(field.type)}"}], "default": {}}
    else:
        item = schema(field.type) if field.is_message else _SCALARS[field.type]
    if field.shape == "list":
        return {"type": "array", "items": item}
    if field.shape == "map":
        return {"type": "object", "additionalProperties": item}
    return dict(item)
