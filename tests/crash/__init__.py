"""A world in memory, in which the operator can be killed after any step it takes."""
