"""AWS on loopback: moto, with IAM deciding."""

from .cloud import AccessKey, Cloud

__all__ = ["AccessKey", "Cloud"]
