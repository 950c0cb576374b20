"""`Program`s to the text of an importable Python module."""
