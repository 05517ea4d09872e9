"""Failures as a kube-apiserver reports them: an HTTP code and a `Status` object.

Wording and reasons follow `k8s.io/apimachinery/pkg/api/errors` and `.../util/validation/field`, because kubectl prints
them and clients branch on them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`: `field` is a path such as `spec.ports[0].name`."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(Exception):
    """An answer with a `Status` body; raised anywhere below the HTTP layer."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.warnings = tuple(warnings)

    def status(self) -> dict[str, Any]:
        """The `Status` object that is the body of the answer, or the object of an ERROR watch event."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(name: str, group: str, kind: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def qualified(kind: str, group: str) -> str:
    """`widgets.demo.io`, or `secrets` for the core group."""
    return f"{kind}.{group}" if group else kind


def not_found(plural: str, group: str, name: str) -> ApiError:
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, plural))


def resource_not_found() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(plural: str, group: str, name: str) -> ApiError:
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, plural))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(kind: str, group: str, name: str, message: str = STALE) -> ApiError:
    text = f'Operation cannot be fulfilled on {qualified(kind, group)} "{name}": {message}'
    return ApiError(409, "Conflict", text, _details(name, group, kind))


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with all causes; the message lists them in brackets when there is more than one."""
    unique = list(dict.fromkeys(str(cause) for cause in causes))
    text = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    details = _details(name, group, kind)
    details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {text}', details)


def forbidden(plural: str, group: str, name: str, message: str, causes: list[dict[str, str]] | None = None) -> ApiError:
    details = _details(name, group, plural)
    if causes:
        details["causes"] = causes
    return ApiError(403, "Forbidden", f'{qualified(plural, group)} "{name}" is forbidden: {message}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def namespace_mismatch() -> ApiError:
    return bad_request("the namespace of the provided object does not match the namespace sent on the request")


def method_not_allowed(method: str = "") -> ApiError:
    return ApiError(
        405, "MethodNotAllowed", method or "the server does not allow this method on the requested resource", {}
    )


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(accepted)}")


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def too_large_version(asked: int, current: int) -> ApiError:
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def quote(value: Any) -> str:
    """A value as Go's `field.Error` prints it: strings quoted, the rest as JSON, nothing as `null`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def invalid_value(field: str, value: Any, detail: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f"Invalid value: {quote(value)}: {detail}")


def wrong_type(field: str, value: Any, detail: str) -> Cause:
    return Cause(field, "FieldValueTypeInvalid", f"Invalid value: {quote(value)}: {detail}")


def required(field: str, detail: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def not_supported(field: str, value: Any, supported: Sequence[Any]) -> Cause:
    listed = ", ".join(quote(item) for item in supported)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {quote(value)}: supported values: {listed}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {quote(value)}")


def too_long(field: str, limit: int) -> Cause:
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> Cause:
    return Cause(field, "FieldValueTooMany", f"Too many: {actual}: must have at most {limit} items")


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")
