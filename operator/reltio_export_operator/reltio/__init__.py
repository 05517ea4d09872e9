"""A client of Reltio's Export Service."""
