"""`python -m partflow` runs the command line."""

from partflow.cli import main

main()
