"""Entry of ``python -m indexpilot_cli`` and of the ``indexpilot`` command."""


def main() -> None:
    """Run the command line and exit with its code."""
    from indexpilot_cli.cli import interrupts

    try:
        interrupts.heed()
        import sys

        from indexpilot_cli.cli.terminal import show_first_line

        show_first_line(sys.argv[1:])
        from indexpilot_cli.cli.app import run

        run()
    except KeyboardInterrupt:
        interrupts.leave(130)
    except interrupts.Terminated as ended:
        interrupts.leave(ended.exit_code)


if __name__ == "__main__":
    main()
