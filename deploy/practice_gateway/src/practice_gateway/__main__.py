"""`python -m practice_gateway`."""

from practice_gateway.cli import main

main()
