"""From data to coefficients: recordings, least-squares fits, and networks trained on a family."""
