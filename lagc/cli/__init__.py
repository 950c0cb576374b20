"""The command line: `lagc compile | check | show | run | fit | train | explain`."""
