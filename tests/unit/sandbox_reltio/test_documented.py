"""Routes, codes and texts are those that the service documents."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_sandbox.reltio import Behaviour, Client, SimulatorConfig, Tenant
from reltio_export_sandbox.reltio.messages import Call

from .driver import ADMINISTRATOR, BUCKET, DESTINATION, Driver

NOT_THERE = "19387291-0000-4000-8000-da6910b2500a"
ANYONE, TENANT, ADMIN = "anyone", "tenant", "administrator"

ROUTES = [
    *(
        ("POST", f"/export/acme01/{endpoint}", TENANT)
        for endpoint in ("entities", "relations", "activities", "entities/_crosswalksTree", "entities/segments")
    ),
    ("GET", "/tasks", ANYONE),
    ("GET", "/tasks/_total", ANYONE),
    ("GET", "/tasks/history", ADMIN),
    ("GET", "/tasks/history/_total", ADMIN),
    ("GET", "/tasks/{id}", ADMIN),
    ("GET", "/tasks/{id}/_manifest", ANYONE),
    ("PUT", "/tasks/{id}/_pause", ADMIN),
    ("PUT", "/tasks/{id}/_resume", ADMIN),
    ("PUT", "/tasks/{id}/_stop", ADMIN),
    ("PUT", "/tasks/{id}/_forceStop", ADMIN),
    ("GET", "/acme01/tasks", TENANT),
    ("GET", "/acme01/tasks/_total", TENANT),
    ("GET", "/acme01/tasks/history", TENANT),
    ("GET", "/acme01/tasks/history/_total", TENANT),
    ("GET", "/acme01/tasks/{id}", TENANT),
    ("PUT", "/acme01/tasks/{id}/_pause", TENANT),
    ("PUT", "/acme01/tasks/{id}/_resume", TENANT),
    ("PUT", "/acme01/tasks/{id}/_stop", TENANT),
]


def ask(driver: Driver, client: Client, method: str, path: str, prefix: str = "/jobs") -> Any:
    token = driver.grant(client)["access_token"]
    headers = DESTINATION | {"authorization": f"Bearer {token}"}
    body = b'{"segmentIds": ["s-1"]}' if method == "POST" else b""
    return driver.reltio.service.answer(Call(method, prefix + path, {}, headers, body))


@pytest.mark.parametrize("prefix", ["/jobs", "/services/jobs"])
@pytest.mark.parametrize(("method", "path", "who"), ROUTES)
def test_each_route_is_there_for_those_who_may_use_it(prefix: str, method: str, path: str, who: str) -> None:
    """A task that is paused may be asked for everything."""
    outsider = Client("outsider", "secret", tenants=frozenset())
    driver = Driver(None, Tenant("acme01", entities=10), client=outsider)
    administrator = ADMINISTRATOR
    driver.reltio.service.clients["api"] = api = Client("api", "secret")
    task_id = ask(driver, api, "POST", "/export/acme01/relations").body["taskIds"][0]
    driver.reltio.engine.pause(driver.reltio.engine.tasks[task_id])
    given = path.replace("{id}", task_id)
    if method == "POST":
        driver.reltio.engine.stop(driver.reltio.engine.tasks[task_id], at_once=True)
    refused = {"outsider": who != ANYONE, "api": who == ADMIN}
    for client in (outsider, api):
        answer = ask(driver, client, method, given, prefix)
        assert (answer.status == 403) is refused[client.id]
        if answer.status == 403:
            assert answer.body["errorCode"] == 804
            assert answer.body["errorMessage"] == "Security error. This endpoint is forbidden for current user."
    if who == ADMIN:
        assert ask(driver, administrator, method, given, prefix).status == 200


def test_what_is_not_documented_is_not_there() -> None:
    driver = Driver()
    assert driver.call("POST", "/export/acme01/interactions", DESTINATION).status == 404


def test_an_export_of_a_hierarchy_needs_its_id() -> None:
    driver = Driver()
    path = "/export/acme01/hierarchies"
    for query, status in (
        ({}, 400),
        ({"hierarchyId": "0ABlc0A", "effectiveDate": "15.1.2031"}, 400),
        ({"hierarchyId": "0ABlc0A.0ABlgGQ", "effectiveDate": "2031-01-15"}, 200),
    ):
        assert driver.call("POST", path, DESTINATION, **query).status == status


def test_a_client_without_the_permission_is_forbidden() -> None:
    reader = Client("reader", "secret", permissions=frozenset({"export.tasks:READ"}))
    driver = Driver(client=reader)
    assert driver.submit().body["errorCode"] == 804
    assert driver.call("GET", "/acme01/tasks").status == 200


def test_an_accepted_export_is_answered_so() -> None:
    driver = Driver()
    body = driver.submit(email="ops@example.com").body
    assert body | {"groupId": "g", "taskIds": ["t"]} == {
        "groupId": "g",
        "exportType": "ENTITIES",
        "version": "v2",
        "status": "scheduled",
        "details": "Export job has been scheduled. Result will be sent to your email: ops@example.com",
        "taskIds": ["t"],
    }
    driver.reltio.service.config.group_id = False
    assert "groupId" not in driver.submit(headers={"s3path": "other"}).body


GROUP = {"attribute": "attributes.Address", "anchorAttributes": ["attributes.Address.City"]}


@pytest.mark.parametrize(
    ("query", "body", "message"),
    [
        ({"filenameTemplate": ""}, None, "filenameTemplate. Reason: filenameTemplate cannot be empty."),
        ({}, {"groupBy": [{**GROUP, "attribute": ""}]}, 'attribute. Reason: the "attribute" field cannot be empty.'),
        (
            {},
            {"groupBy": {"attribute": "attributes.Address"}},
            'anchorAttributes. Reason: the "anchorAttributes" field cannot be empty.',
        ),
        (
            {},
            {"groupBy": [{**GROUP, "maxNumberOfUniqueValues": 123456}]},
            "maxNumberOfUniqueValues. Reason: "
            "the value should belong to the following interval [1, 2048], but was 123456.",
        ),
    ],
)
def test_bad_parameters_are_refused_in_the_documented_words(query: Any, body: Any, message: str) -> None:
    answer = Driver().submit(body=body, **query)
    assert (answer.status, answer.body["errorCode"]) == (400, 549)
    assert answer.body["errorMessage"] == f"Invalid export parameter: {message}"
    assert answer.body["severity"] == "Error"
    assert "EXPORT_DATA_INVALID_PARAM" in answer.body["innerErrorData"]["exception"]


@pytest.mark.parametrize(
    ("query", "body", "parameter"),
    [
        ({"fileFormat": "parquet"}, None, "fileFormat"),
        ({"dateFormat": "iso"}, None, "dateFormat"),
        ({"activeness": "some"}, None, "activeness"),
        ({"headersStyle": "id"}, None, "headersStyle"),
        ({"name": "x" * 141}, None, "name"),
        ({"name": "-nightly"}, None, "name"),
        ({"filenameTemplate": "a/b"}, None, "filenameTemplate"),
        ({"filenameTemplate": "x" * 513}, None, "filenameTemplate"),
        ({"partSize": "104857599b"}, None, "partSize"),
        ({"partSize": "99mb"}, None, "partSize"),
        ({"partSize": "1pb"}, None, "partSize"),
        ({"exploded": "true", "slicedByCrosswalks": "true"}, None, "exploded"),
        ({"s3Sse": "rot13"}, None, "s3Sse"),
        ({"s3Path": "/"}, None, "s3Path"),
        ({"gcsBucket": "b"}, None, "s3, gcs, azure"),
    ],
)
def test_bad_parameters_are_refused_by_name(query: Any, body: Any, parameter: str) -> None:
    answer = Driver().submit(body=body, **query)
    assert (answer.status, answer.body["errorCode"]) == (400, 549)
    assert answer.body["errorMessage"].startswith(f"Invalid export parameter: {parameter}. Reason: ")


@pytest.mark.parametrize(
    "query",
    [
        {"fileFormat": "JSON", "activeness": "active"},
        {"name": "  n" + "x" * 139 + "  "},
        {"filenameTemplate": "hcp-{{n}}"},
        {"partSize": "104857600b"},
        {"partSize": "0.1GB"},
        {"whatever": "1"},
    ],
)
def test_good_parameters_are_accepted(query: dict[str, Any]) -> None:
    assert Driver().submit(**query).status == 200


def test_headers_match_in_any_case_and_the_query_wins() -> None:
    driver = Driver()
    assert driver.submit(s3Path="from/the/query").status == 200
    assert driver.reltio.accepted[0].place == (BUCKET, "from/the/query")


@pytest.mark.parametrize("path", ["reltio/nightly", "/reltio//nightly/", "reltio/nightly/"])
def test_a_place_that_is_taken_is_refused_with_the_task_that_has_it(path: str) -> None:
    driver = Driver()
    task_id = driver.started()
    answer = driver.submit(headers={"s3path": path})
    assert answer.status == 400
    assert answer.body["errorMessage"] == (
        f"Invalid export parameter: s3, gcs, azure. Reason: Task '{task_id}' is already exporting data to this "
        "custom destination."
    )
    driver.advance(60)
    assert driver.submit(headers={"s3path": path}).status == 200


def test_a_tenant_may_have_so_many_tasks() -> None:
    driver = Driver(SimulatorConfig(task_limit_status=429), Tenant("acme01", max_tasks=1))
    driver.started()
    answer = driver.submit(headers={"s3path": "other"})
    assert (answer.status, answer.body["errorMessage"]) == (429, "PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED")


@pytest.mark.parametrize(("kind", "code"), [("S3", 1102), ("GCS", 1112), ("AZURE", 1122)])
def test_the_bucket_of_the_service_may_be_gone(kind: str, code: int) -> None:
    assert Driver(SimulatorConfig(storage_error=kind)).submit().body["errorCode"] == code


def test_a_body_may_be_too_large() -> None:
    driver = Driver()
    headers = DESTINATION | {"authorization": f"Bearer {driver.token}"}
    call = Call("POST", "/jobs/export/acme01/entities", {}, headers, b" " * (50 * 2**20 + 1))
    assert driver.reltio.service.answer(call).status == 413


def test_an_unknown_task_is_not_found() -> None:
    body = Driver().call("GET", f"/acme01/tasks/{NOT_THERE}").body
    assert body["errorCode"] == 101
    assert body["errorMessage"] == f"Object with id={NOT_THERE} not found"
    assert body["errorDetailMessage"] == "No object with specified id found"


def test_only_a_paused_task_is_resumed() -> None:
    driver = Driver()
    answer = driver.control(driver.started(), "_resume")
    assert (answer.status, answer.body["errorMessage"]) == (400, "The execute request failed due to invalid input")


@pytest.mark.parametrize("names", [("max", "offset"), ("maxNo", "offsetNo")])
def test_lists_come_in_pages(names: tuple[str, str]) -> None:
    driver = Driver()
    ids = [driver.started(s3Path=f"p/{number}") for number in range(60)]
    assert driver.listed() == ids[:50]
    page_query: dict[str, Any] = dict(zip(names, (10, 55), strict=True))
    page = driver.call("GET", "/acme01/tasks", **page_query).body
    assert [task["id"] for task in page] == ids[55:]
    assert driver.call("GET", "/acme01/tasks/_total").body == {"total": 60}
    for most in (0, -1):
        body = driver.call("GET", "/acme01/tasks", max=most).body
        assert (body["errorCode"], body["errorMessage"]) == (2001, "'max' must be greater than zero")


def test_the_total_has_the_other_name_on_demand() -> None:
    assert Driver(SimulatorConfig(total_key="value")).call("GET", "/acme01/tasks/_total").body == {"value": 0}


def test_active_and_ended_tasks_are_listed_apart() -> None:
    driver = Driver()
    driver.reltio.behaviours.append(Behaviour(name="bad", ends_as="COMPLETED_WITH_ERRORS"))
    ended = [driver.started(name="bad", s3Path="1"), driver.started(s3Path="2")]
    driver.advance(60)
    active = driver.started(s3Path="3")
    assert driver.listed() == [active]
    assert sorted(driver.listed("/history")) == sorted(ended)
    assert [driver.status(id_) for id_ in (*ended, active)] == ["COMPLETED_WITH_ERRORS", "COMPLETED", "SCHEDULED"]


def test_the_external_id_tool_and_the_version_answer() -> None:
    driver = Driver()
    bearer = {"authorization": f"Bearer {driver.token}"}
    answer = driver.reltio.service.answer(Call("GET", "/api/v1/tools/externalId", {}, bearer))
    assert list(answer.body) == ["externalId"]
    assert sorted(driver.call("GET", "/version").body) == ["driver", "driver-matching", "driver-sdk"]
