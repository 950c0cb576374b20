"""The version of lagc, written once."""

__version__ = "0.1.0"
