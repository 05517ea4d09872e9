"""Targets set up wrongly in every way, and what the operator says of them."""
