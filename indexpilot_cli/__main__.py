"""Entry of ``python -m indexpilot_cli`` and of the ``indexpilot`` command."""


def main() -> None:
    """Run the command line and exit with its code."""
    from indexpilot_cli.cli import interrupts

    try:
        interrupts.heed()
        import gc
        import sys

        # Catalogs, statements and plans are large trees of values that nothing leads back in: to look through all of
        # them for cycles after every 700 new ones took a third of the time in which a snapshot is read.
        gc.set_threshold(50_000, 20, 100)

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
