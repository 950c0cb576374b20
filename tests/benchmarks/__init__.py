"""Benchmarks: ratios to other programs and to lagc's own targets, never asserted in the suite."""
