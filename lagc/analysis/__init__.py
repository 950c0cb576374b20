"""`NodeSystem` to `Facts`: structure that a strategy may rely on, each with its evidence."""
