ALTER SEQUENCE ticket_seq AS bigint;
