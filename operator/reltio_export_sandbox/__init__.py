"""The embedded default: everything the operator talks to, on loopback, in one command."""
