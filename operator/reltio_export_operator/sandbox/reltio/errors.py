"""Error answers in the shapes that the service documents."""

from __future__ import annotations

import json

from aiohttp import web


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, body: dict[str, object] | str) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body

    def response(self) -> web.Response:
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, content_type="text/html")
        return web.Response(status=self.status, text=json.dumps(self.body), content_type="application/json")


def api_error(status: int, code: int, message: str, detail: str | None = None) -> Refusal:
    return Refusal(
        status,
        {
            "severity": "Error",
            "errorMessage": message,
            "errorCode": code,
            "errorDetailMessage": detail or message,
        },
    )


def invalid(parameter: str, reason: str) -> Refusal:
    return api_error(400, 549, f"Invalid export parameter: {parameter}. Reason: {reason}")


def busy(task_id: str) -> Refusal:
    return invalid("s3, gcs, azure", f"Task '{task_id}' is already exporting data to this custom destination.")


def not_found(task_id: str) -> Refusal:
    return api_error(404, 101, f"Object with id={task_id} not found", "No object with specified id found")


def unauthorized(error: str, description: str) -> Refusal:
    return Refusal(401, {"error": error, "error_description": description})


FORBIDDEN = api_error(403, 804, "Security error. This endpoint is forbidden for current user.")
BAD_MAX = api_error(400, 2001, "'max' must be greater than zero")
TASK_LIMIT = api_error(400, 549, "PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED")
