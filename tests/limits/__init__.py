"""Answers that are attacks, and every call that may meet them."""
