"""AWS on loopback: moto, with IAM deciding."""

from .cloud import EXPORT_ACTIONS, AccessKey, Cloud

__all__ = ["EXPORT_ACTIONS", "AccessKey", "Cloud"]
