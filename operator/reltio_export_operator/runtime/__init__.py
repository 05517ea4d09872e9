"""What the process needs around the work: settings, election, logs."""
