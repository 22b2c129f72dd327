CREATE RULE sessions_no_insert AS ON INSERT TO sessions DO INSTEAD NOTHING;
