"""The ExportTarget controller and its prober."""
