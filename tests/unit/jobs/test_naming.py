"""The names and directories of attempts."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import msgspec
import pytest

from builders import T0, between_attempts, job, target
from reltio_export_operator.jobs import naming


def named(name: str) -> Any:
    return {"export": {"type": "Entities", "name": name}}


def test_a_name_in_reltio_is_that_of_the_user_and_the_id_of_the_attempt() -> None:
    assert naming.export_name(job(spec=named("Nightly load")), 2) == "Nightly load-u-1-2"
    assert naming.export_name(job(), 2) == "mdm.nightly-u-1-2"


def test_a_long_name_is_cut_to_140_characters_and_keeps_the_id_of_the_attempt() -> None:
    name = naming.export_name(job(spec=named("n" * 300)), 12)
    assert len(name) == 140
    assert name.endswith("n-u-1-12")
    assert naming.export_name(job(spec=named("n" * 133)), 1) == "n" * 133 + "-u-1-1"


@pytest.mark.parametrize(
    ("path", "directory"),
    [
        ("{namespace}/{name}", "reltio/mdm/nightly/u-1-1/"),
        ("{type}/{tenant}", "reltio/Entities/acme01/u-1-1/"),
        ("{date}/{time}", "reltio/2031-01-15/030000/u-1-1/"),
        ("{year}/{month}/{day}", "reltio/2031/01/15/u-1-1/"),
        ("/both/ends/", "reltio/both/ends/u-1-1/"),
        ("", "reltio/u-1-1/"),
        ("/", "reltio/u-1-1/"),
    ],
)
def test_a_directory_is_the_path_of_target_and_job_and_the_id_of_the_attempt(path: str, directory: str) -> None:
    assert naming.directory(job(spec={"path": path}), target(), 1, T0) == directory


def test_times_in_a_directory_are_in_utc() -> None:
    elsewhere = T0.astimezone(timezone(timedelta(hours=-8)))
    assert naming.directory(job(spec={"path": "{date}"}), target(), 1, elsewhere) == "reltio/2031-01-15/u-1-1/"


@pytest.mark.parametrize(("length", "excess"), [(1, 0), (959, 0), (960, 0), (961, 1), (1000, 40)])
def test_a_directory_leaves_64_bytes_of_a_key_for_the_name_of_a_file(length: int, excess: int) -> None:
    assert naming.excess_bytes("x" * length) == excess


def test_the_length_of_a_directory_counts_in_bytes() -> None:
    assert naming.excess_bytes("é" * 481) == 2


@pytest.mark.parametrize(("status", "attempt"), [({}, 1), (between_attempts(1), 2), (between_attempts(4), 5)])
def test_each_attempt_has_the_next_number(status: Any, attempt: int) -> None:
    intent = naming.intend(job(status=status), target(), T0)
    assert (intent.attempt, intent.id) == (attempt, f"u-1-{attempt}")
    assert intent.destination == f"s3://acme-mdm-exports/reltio/mdm/nightly/u-1-{attempt}/"


@pytest.mark.parametrize(("in_use", "secret"), [("Current", "new"), ("Previous", "old"), (None, "new")])
def test_an_attempt_uses_the_external_id_that_works(in_use: Any, secret: str) -> None:
    s3 = {
        "bucket": "b",
        "path": "/",
        "roleARN": "arn:aws:iam::111122223333:role/r",
        "externalIDSecretRef": {"name": "new"},
        "previousExternalIDSecretRef": {"name": "old"},
    }
    given = target(spec={"s3": s3})
    given = msgspec.structs.replace(given, status=msgspec.structs.replace(given.status, external_id_in_use=in_use))
    reference = naming.intend(job(), given, T0).s3.external_id_secret_ref
    assert reference is not None
    assert reference.name == secret
