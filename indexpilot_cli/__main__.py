"""Entry of ``python -m indexpilot_cli`` and of the ``indexpilot`` command."""


def main() -> None:
    """Run the command line and exit with its code."""
    import sys

    from indexpilot_cli.cli.terminal import show_first_line

    show_first_line(sys.argv[1:])
    from indexpilot_cli.cli.app import run

    run()


if __name__ == "__main__":
    main()
