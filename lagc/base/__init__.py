"""Spans, diagnostics and their codes: what every other layer may use."""
