"""Clients of AWS: roles, their sessions, and buckets."""
