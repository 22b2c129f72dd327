"""IndexPilot's own schema: migrations, genome, profiles, recorded statistics, mutation log."""
