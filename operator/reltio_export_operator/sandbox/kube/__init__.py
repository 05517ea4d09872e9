"""A small, faithful Kubernetes API server, kept in memory: for demonstrations on loopback and for tests.

It knows the core kinds that clients of custom resources meet, and whatever CustomResourceDefinitions define.
"""

from .faults import CONFLICT, Drop, Fault, Faults, Hold, OnServer, RequestInfo, RequestLog, Respond
from .server import KubeServer

__all__ = [
    "CONFLICT",
    "Drop",
    "Fault",
    "Faults",
    "Hold",
    "KubeServer",
    "OnServer",
    "RequestInfo",
    "RequestLog",
    "Respond",
]
