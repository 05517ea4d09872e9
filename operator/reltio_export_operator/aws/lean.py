"""Makes clients of boto3 small: their number grows with the targets, and each full garbage collection visits all of it.

botocore gives each client a class of its own with a method for each operation of the service, the rules of endpoints,
which are the same for all clients of a service, and the handlers of all services: 2,500 objects for S3.
"""

from __future__ import annotations

from typing import Any

from botocore.client import BaseClient
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.session import Session

SERVICES = ("s3", "sts", "iam")
_OF_CREDENTIALS = ("sso", "sso-oidc", "signin")  # services that botocore asks for credentials
# The operations that the operator and its commands call, and botocore for credentials.
OPERATIONS = frozenset(
    {
        "assume_role",
        "assume_role_with_web_identity",  # by botocore, for the credentials of a ServiceAccount
        "delete_object",
        "get_caller_identity",
        "get_object",
        "get_policy",
        "get_policy_version",
        "get_public_access_block",
        "get_role",
        "get_role_policy",
        "head_bucket",
        "list_attached_role_policies",
        "list_objects_v2",
        "list_role_policies",
        "put_object",
    }
)


def register_handlers(core: Session) -> None:
    """Register botocore's own handlers, but for those of other services and of the documentation."""
    emitter: Any = core.get_component("event_emitter")
    register = {REGISTER_FIRST: emitter.register_first, REGISTER_LAST: emitter.register_last}
    for event, handler, *order in BUILTIN_HANDLERS:
        kind, _, rest = event.partition(".")
        if kind != "docs" and rest.partition(".")[0] in ("", "*", *SERVICES, *_OF_CREDENTIALS):
            register.get(order[0] if order else None, emitter.register)(event, handler)


def only_called_operations(core: Session) -> None:
    """Let clients of this session have no other methods."""
    for service in SERVICES:
        core.register(f"creating-client-class.{service}", _prune)


def share(client: Any, service: str, shared: dict[str, tuple[Any, Any]]) -> None:
    """Use the rules and the model of the first client of the service, which are the same for all, from `shared`."""
    if isinstance(client, BaseClient):
        resolver: Any = client._ruleset_resolver  # type: ignore[attr-defined]
        model: Any = client.meta.service_model
        rules, shared_model = shared.setdefault(service, (resolver._provider, model))
        if model is not shared_model:
            model._instance_cache.clear()  # its operations are still referred to
            resolver._provider, client.meta._service_model = rules, shared_model  # type: ignore[attr-defined]


def _prune(**event: Any) -> None:
    class_attributes: dict[str, Any] = event["class_attributes"]
    operations: dict[str, str] = class_attributes["_PY_TO_OP_NAME"]
    for name in operations:
        if name not in OPERATIONS:
            class_attributes.pop(name, None)
