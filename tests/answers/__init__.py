"""Requests to a Kubernetes API, and what a real kube-apiserver answered to each.

`recorded.json` was written by `python -m answers.record` against kube-apiserver 1.36.2; the sandbox's API must answer
the same. `tests/e2e` asks a real server again.
"""
