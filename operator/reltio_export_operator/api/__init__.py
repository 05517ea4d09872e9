"""The kinds of export.reltio.com as typed, frozen values. Imports nothing else of the package."""
