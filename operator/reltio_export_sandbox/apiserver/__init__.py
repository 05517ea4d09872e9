"""A small Kubernetes API server, in memory, for loopback."""

from .http import KubeServer

__all__ = ["KubeServer"]
