CALL purge_sessions(10000);
