"""When a target is Ready, as pure decisions."""
