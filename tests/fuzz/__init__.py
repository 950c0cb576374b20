"""Random and mutated programs through every pass of the compiler, in search of what it must not do."""
