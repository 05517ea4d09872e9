"""kopf wiring: which event wakes what. No decisions."""
