"""Measures the operator with up to 10,000 jobs, beside a raw client and an operator as people write it first."""
