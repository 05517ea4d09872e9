"""Gives every parser of foreign input many cases, and prints what they took.

    python -m fuzz.run [--cases N] [--only TEXT] [--seed N] [--processes N]

Most cases are changed valid inputs, a tenth is made by Hypothesis. Each parser runs in a process of its own, with a
limit of memory and of time. Exits with 1 when a case raises what it must not, or takes longer than a second of CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import multiprocessing
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from .mutation import Mutator
from .parser import Parser
from .parsers import PARSERS

LONGEST_CPU_SECONDS = 1.0  # of one case
LARGEST_GROWTH = 96 << 20  # bytes that one parser's cases may add to its process
_MEMORY = 2 << 30  # bytes of addresses, beyond which allocations fail
_PARSER_SECONDS = 240  # after which a parser is taken for hanging
_BY_HYPOTHESIS = 10  # one of so many cases
_MOST_FAULTS = 5  # of one parser that are kept


@dataclass
class Outcome:
    """What the cases of one parser came to. `growth` is in bytes, the other numbers in seconds of CPU."""

    name: str
    cases: int = 0
    refused: int = 0  # of them, with an error that the caller expects
    seconds: float = 0.0
    slowest: float = 0.0
    growth: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.faults


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


class Trial:
    """Gives cases to one parser."""

    def __init__(self, name: str, parser: Parser, longest: float = LONGEST_CPU_SECONDS) -> None:
        self.outcome = Outcome(name)
        self._parser = parser
        self._longest = longest
        self._kinds: set[str] = set()

    def play(self, value: Any) -> None:
        """One case. A fault is recorded once for each place in the code."""
        outcome, began = self.outcome, time.thread_time()
        try:
            self._parser.parse(value)
        except self._parser.raises:
            outcome.refused += 1
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            self._record(repr(traceback.extract_tb(error.__traceback__)[-1]), traceback.format_exc(limit=-4), value)
        took = time.thread_time() - began
        outcome.cases += 1
        outcome.slowest = max(outcome.slowest, took)
        if took > self._longest:
            self._record("slow", f"it took {took:.1f} s of CPU", value)

    def _record(self, kind: str, what: str, value: Any) -> None:
        if kind not in self._kinds and len(self._kinds) < _MOST_FAULTS:
            self._kinds.add(kind)
            self.outcome.faults.append(f"{what}\nwith {repr(value)[:2000]}")


def play(name: str, cases: int, seed: int, longest: float = LONGEST_CPU_SECONDS) -> Outcome:
    """This many cases for a parser, each of at most `longest` seconds of CPU; the same ones for the same seed."""
    parser = PARSERS[name]
    trial, began = Trial(name, parser, longest), time.process_time()
    by_hypothesis = cases // _BY_HYPOTHESIS if parser.given is not None else 0
    # Load what is loaded at the first use, so that it counts neither as growth nor as a slow case.
    for value in parser.seeds:
        with contextlib.suppress(Exception):
            parser.parse(value)
    before = _memory("VmRSS")
    mutator = Mutator(Random(f"{seed} {name}"), parser.seeds)
    for _ in range(cases - by_hypothesis):
        trial.play(mutator.next())
    trial.outcome.growth = max(0, _memory("VmHWM") - before)
    if parser.given is not None and by_hypothesis:
        _by_hypothesis(trial, parser.given, by_hypothesis, seed)
    trial.outcome.seconds = time.process_time() - began
    return trial.outcome


def _by_hypothesis(trial: Trial, strategy: st.SearchStrategy[Any], cases: int, seed: int) -> None:
    @hypothesis_seed(seed)
    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def check(value: Any) -> None:
        trial.play(value)

    check()


def _child(name: str, cases: int, seed: int, to: Connection) -> None:
    faulthandler.dump_traceback_later(_PARSER_SECONDS, exit=True)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        outcome = play(name, cases, seed)
        if outcome.growth > LARGEST_GROWTH:
            outcome.faults.append(f"memory grew by {outcome.growth >> 20} MiB")
    except BaseException:
        outcome = Outcome(name, faults=[traceback.format_exc()])
    to.send(outcome)


def outcomes(names: list[str], cases: int, seed: int, processes: int) -> Iterator[Outcome]:
    """Each parser's, as they end. One whose process ended before its cases is a fault."""
    fork = multiprocessing.get_context("fork")  # so that nothing is imported again
    waiting, playing = list(names), dict[Connection, str]()
    while waiting or playing:
        while waiting and len(playing) < processes:
            name = waiting.pop(0)
            here, there = fork.Pipe(duplex=False)
            fork.Process(target=_child, args=(name, cases, seed, there), daemon=True).start()
            there.close()
            playing[here] = name
        for ended in wait(list(playing)):
            assert isinstance(ended, Connection)
            name = playing.pop(ended)
            try:
                yield ended.recv()
            except EOFError:
                yield Outcome(name, faults=[f"its process ended: a crash, or longer than {_PARSER_SECONDS} s"])
            ended.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz.run")
    parser.add_argument("--cases", type=int, default=2500, help="of each parser")
    parser.add_argument("--only", default="", help="only parsers whose names hold this text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    names, began, all_ = [name for name in PARSERS if chosen.only in name], time.monotonic(), list[Outcome]()
    print(f"{'parser':<28} {'cases':>7} {'refused':>8} {'CPU':>8} {'slowest':>9} {'memory':>9}")
    for outcome in outcomes(names, chosen.cases, chosen.seed, chosen.processes):
        all_.append(outcome)
        print(
            f"{outcome.name:<28} {outcome.cases:>7,} {outcome.refused:>8,} {outcome.seconds:>6.1f} s "
            f"{outcome.slowest * 1000:>6.0f} ms {outcome.growth >> 20:>5} MiB{'' if outcome.is_good else '  <-- BAD'}",
            flush=True,
        )
        for fault in outcome.faults:
            print("    " + fault.replace("\n", "\n    "), flush=True)
    bad = sum(not outcome.is_good for outcome in all_)
    print(f"\nparsers               {len(all_)}")
    print(f"cases                 {sum(outcome.cases for outcome in all_):,}")
    print(f"bad                   {bad}")
    print(f"CPU                   {sum(outcome.seconds for outcome in all_):.0f} s")
    print(f"time                  {time.monotonic() - began:.0f} s, {chosen.processes} processes, seed {chosen.seed}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
