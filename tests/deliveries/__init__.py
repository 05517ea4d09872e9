"""Deliveries as real writers leave them, and what the operator makes of them and of their mutations."""
