"""The life of an export as pure decisions: what was seen goes in, what to do next comes out."""
