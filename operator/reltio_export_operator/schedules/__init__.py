"""Decisions about schedules: when a run is due, what it exports, and which of its jobs are kept."""
