"""Fixtures of the tests in the crash world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .world import World, quiet


@pytest.fixture
def quietly() -> Iterator[None]:
    """The log of the operator is off. Tests of the log do without."""
    with quiet():
        yield


@pytest.fixture
def world(quietly: None) -> Iterator[World]:
    """A world with a target and its Secret. Its operator is ended after the test."""
    world = World()
    world.furnish()
    yield world
    world.kill()
