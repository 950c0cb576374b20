"""`NodeSystem` to `Program`s: straight-line code over a closed set of operations."""
