"""Bounds on what one delivery may cost. What is beyond them is reported as not read, and fails no job."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The defaults are the bounds of docs/design.md. Read `LIMITS` when it is needed, so that a test can replace it."""

    manifest_bytes: int = 8 * _MIB
    manifest_values: int = 200_000  # names, numbers, lists and objects of its JSON
    manifest_value_bytes: int = 64 << 10  # a text, a number or a space: the event loop waits while one is parsed
    objects: int = 100_000  # in the directory of an attempt
    inflated_ratio: float = 200  # decompressed bytes for each byte of a file
    inflated_free_bytes: float = 64 * _MIB  # that a file may decompress to at any ratio
    file_cpu_seconds: float = 10  # of a thread, to decompress a file and to count its records
    delivery_cpu_seconds: float = 60
    cpu_seconds_per_mib: float = 0.5  # of stored bytes, in addition to both
    zip_directory_bytes: int = _MIB


UNLIMITED = Limits(*(10**18,) * 4, *(math.inf,) * 5, zip_directory_bytes=10**18)
LIMITS = Limits()


class DeliveryTooLargeError(Exception):
    """The manifest or the listing is beyond a bound, so nothing is known of the delivery."""


class Meter:
    """What is left for decompressing and counting. That of a file also draws on that of its delivery."""

    def __init__(self, cpu_seconds: float, inflated: float = math.inf, whole: Meter | None = None) -> None:
        self._seconds, self._inflated, self._whole = cpu_seconds, inflated, whole

    @classmethod
    def of_delivery(cls, size: int) -> Meter:
        """For files of `size` bytes in all."""
        return cls(LIMITS.delivery_cpu_seconds + LIMITS.cpu_seconds_per_mib * size / _MIB)

    def of_file(self, size: int) -> Meter:
        seconds = LIMITS.file_cpu_seconds + LIMITS.cpu_seconds_per_mib * size / _MIB
        return Meter(seconds, LIMITS.inflated_free_bytes + LIMITS.inflated_ratio * size, self)

    def inflate(self, size: int) -> None:
        """So many bytes were decompressed."""
        self._inflated -= size

    def work(self, seconds: float) -> None:
        """A thread worked for so long."""
        self._seconds -= seconds
        if self._whole is not None:
            self._whole.work(seconds)

    @property
    def is_empty(self) -> bool:
        return self._seconds <= 0 or self._inflated <= 0 or (self._whole is not None and self._whole.is_empty)
