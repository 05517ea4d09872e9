"""The decisions carried out: read what is, decide, act, write it down."""
