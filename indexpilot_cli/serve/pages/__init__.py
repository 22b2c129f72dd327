"""The dashboard: pages made on the server of the same views as the command line's, which work without scripts."""
