"""`python -m sfbptt_cli`: the command line, where the script `sfbptt` is not on the path."""

from sfbptt_cli.cli.main import main

if __name__ == "__main__":
    main()
