"""Entry of ``python -m indexpilot_cli`` and of the ``indexpilot`` command."""


def main() -> None:
    """Run the command line and exit with its code."""
    import sys

    from indexpilot_cli.cli import sign

    sign.show(sys.argv[1:])
    from indexpilot_cli.cli.app import run

    run()


if __name__ == "__main__":
    main()
