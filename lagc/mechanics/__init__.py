"""`Model` to `NodeSystem`: doubled coordinates, physical limit, node functions a and b, blocks."""
