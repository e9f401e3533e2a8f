"""`python -m sfbptt_cli`: the command `sfbptt`."""

from sfbptt_cli.cli.main import main

main()
