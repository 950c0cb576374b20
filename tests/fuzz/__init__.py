"""Random and mutated programs through every pass of the compiler."""
