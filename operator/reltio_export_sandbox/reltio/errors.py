"""Error answers in the shapes that the service documents."""

from __future__ import annotations

from .messages import Answer

_CLASSES = {
    549: "com.reltio.metadata.errors.CommonException:Code: EXPORT_DATA_INVALID_PARAM; Message parameters: [{}]",
}


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        super().__init__(str(body))
        self.answer = Answer(status, body)


def api_error(
    status: int, code: int | None, message: str, detail: str | None = None, exception: str | None = None
) -> Refusal:
    body: dict[str, object] = {"severity": "Error", "errorMessage": message, "errorDetailMessage": detail or message}
    if code is not None:
        body["errorCode"] = code
    if exception:
        body["innerErrorData"] = {"exception": exception}
    return Refusal(status, body)


def invalid(parameter: str, reason: str) -> Refusal:
    """400 / 549: a parameter of an export is missing, malformed or in conflict."""
    message = f"Invalid export parameter: {parameter}. Reason: {reason}"
    return api_error(400, 549, message, exception=_CLASSES[549].format(f"{parameter}, {reason}"))


def busy(task_id: str) -> Refusal:
    return invalid("s3, gcs, azure", f"Task '{task_id}' is already exporting data to this custom destination.")


def task_limit(status: int) -> Refusal:
    """The tenant has too many background tasks. The HTTP status of this one is not documented."""
    return api_error(
        status,
        None,
        "PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED",
        exception="com.reltio.metadata.errors.CommonException:Code: PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED",
    )


def not_found(task_id: str) -> Refusal:
    return api_error(404, 101, f"Object with id={task_id} not found", "No object with specified id found")


def unauthorized(error: str, description: str) -> Refusal:
    return Refusal(401, {"error": error, "error_description": description})


def forbidden() -> Refusal:
    return api_error(403, 804, "Security error. This endpoint is forbidden for current user.")


_OF_GATEWAY: dict[str, object] = {
    "html": "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>",
    "json": {"message": "Forbidden"},
    "empty": "",
}


def gateway_403(form: str) -> Answer:
    """What an address gets that the tenant does not allow, even with a valid token. Its body is not documented."""
    return Answer(403, _OF_GATEWAY[form])


def bad_max() -> Refusal:
    return api_error(
        400, 2001, "'max' must be greater than zero", exception="java.lang.IllegalArgumentException: 'max'"
    )


_STORAGE_ERRORS = {"S3": 1102, "GCS": 1112, "AZURE": 1122}


def storage_error(kind: str) -> Refusal:
    """The service's own bucket for intermediate data is gone. The HTTP status of this one is not documented."""
    return api_error(500, _STORAGE_ERRORS[kind], "The reltio bucket 'reltio-exports' doesn't exist")


def internal_error() -> Refusal:
    return api_error(
        500,
        2001,
        "Internal application error.",
        "Internal application exception caught during executing operation. Please view application log for details",
    )


NO_CREDENTIALS = "Full authentication is required to access this resource"
