"""All rows of the matrix."""

from __future__ import annotations

from . import answers, deliveries, identities, leaks, neighbours, trust
from .rows import Row

ROWS: tuple[Row, ...] = (
    *trust.rows(),
    *leaks.rows(),
    *answers.rows(),
    *deliveries.rows(),
    *identities.rows(),
    *neighbours.rows(),
)
