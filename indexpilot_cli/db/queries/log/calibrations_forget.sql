DELETE FROM {schema}.calibrations
