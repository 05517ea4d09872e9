"""The commands of the documentation: found in the Markdown, and run as they are written."""
