ALTER TABLE audit_log ADD PRIMARY KEY (id);
ALTER TABLE audit_log CLUSTER ON audit_log_pkey;
CLUSTER;
