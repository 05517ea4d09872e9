"""Keeps garbage collections short.

A full collection visits every object that may be part of a cycle, and nothing else runs meanwhile: with the modules and
models of AWS that are loaded, 0.1 s. They live as long as the process, so that no collection needs to visit them.
"""

from __future__ import annotations

import gc


def exclude_what_is_loaded() -> None:
    """Let collections visit only objects that are created from now on. Call it before the event loop starts."""
    gc.collect()
    gc.freeze()
