"""Reltio exports into your own S3 buckets, declared as Kubernetes custom resources."""

__version__ = "0.1.0"
