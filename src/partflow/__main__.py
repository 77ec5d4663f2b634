"""`python -m partflow` is `partflow`."""

from partflow.cli import main

main()
