"""A row of the matrix: an attack, the defence that stops it, and what its author got."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from .stage import LARGEST_PEAK, LONGEST_DELAY, MIB, Setup, Stage, staged

_LONGEST = 150.0  # seconds of one attack

Attack = Callable[[Stage], Awaitable[str]]


@dataclass(frozen=True)
class Row:
    """`attack` returns what the attacker got, or nothing. `defence` names what its control takes away."""

    name: str
    defence: str
    attack: Attack
    setup: Setup = field(default_factory=Setup)


@dataclass(frozen=True)
class Result:
    """The result of one run."""

    got: str
    peak: int
    delay: float
    callback: str
    has_ended: bool

    @property
    def damage(self) -> str:
        """What the attack did, or nothing."""
        if self.got:
            return self.got
        if self.has_ended:
            return "the operator ended"
        if self.peak > LARGEST_PEAK:
            return f"{self.peak // MIB} MiB of memory"
        if self.delay > LONGEST_DELAY:
            return f"event loop kept for {self.delay:.2f} s by {self.callback}"
        return ""


async def run(row: Row, *, defended: bool = True) -> Result:
    """Play the attack against an operator of its own, with its defence or without."""
    with tempfile.TemporaryDirectory() as directory:
        async with staged(Path(directory), row.setup, "" if defended else row.defence) as stage:
            async with asyncio.timeout(_LONGEST):
                got = await row.attack(stage)
            delay, callback = stage.delay()
            return Result(got, stage.peak(), delay, callback, stage.has_ended())
