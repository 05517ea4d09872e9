"""Parsers of what comes from outside, with random input."""
