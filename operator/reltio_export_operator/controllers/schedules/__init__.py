"""The ExportSchedule controller."""
