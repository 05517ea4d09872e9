"""Runs inside the operator's process, before it starts: measures its event loop, and switches one defence off.

Each line of DEFENCES is a defence and the code that takes it away. It is what a row's control runs: an attack
that fails without its defence as well proves nothing.
"""

from __future__ import annotations

MEASURE = """
import asyncio.events, json, os, threading, time

def _measure(directory):
    worst = {"cpu": 0.0, "wall": 0.0, "callback": ""}
    run = asyncio.events.Handle._run

    def timed(self):
        cpu, wall = time.thread_time(), time.perf_counter()
        run(self)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        if cpu > worst["cpu"]:
            worst.update(cpu=cpu, wall=wall, callback=repr(self._callback)[:300])

    def report():
        reset, out = os.path.join(directory, "reset"), os.path.join(directory, "loop.json")
        while True:
            if os.path.exists(reset):
                worst.update(cpu=0.0, wall=0.0, callback="")
                os.unlink(reset)
            with open(out + ".new", "w") as file:
                json.dump(worst, file)
            os.replace(out + ".new", out)
            time.sleep(0.05)

    asyncio.events.Handle._run = timed
    threading.Thread(target=report, daemon=True).start()

_measure(DIRECTORY)
"""
