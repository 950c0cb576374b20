"""`python -m lagc`: the command line."""

from lagc.cli.main import main

main()
