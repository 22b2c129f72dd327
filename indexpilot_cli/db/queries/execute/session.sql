SELECT set_config(wanted.name, wanted.setting, false)
FROM (VALUES ('application_name', %(application_name)s::text),
             ('statement_timeout', '0'),
             ('lock_timeout', '0'),
             ('transaction_timeout', '0'),
             ('idle_in_transaction_session_timeout', '0'),
             ('idle_session_timeout', '0'),
             ('default_transaction_read_only', 'off'),
             ('default_transaction_isolation', 'read committed')) AS wanted (name, setting)
WHERE current_setting(wanted.name, true) IS NOT NULL
