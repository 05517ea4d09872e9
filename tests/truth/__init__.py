"""What a user sees for each answer that the documentation of Reltio leaves open."""
