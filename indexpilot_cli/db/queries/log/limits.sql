SELECT set_config('statement_timeout', %(statement)s, true), set_config('lock_timeout', %(lock)s, true) AS lock_timeout
