ALTER SEQUENCE ticket_seq MAXVALUE 5 RESTART WITH 5;
SELECT nextval('ticket_seq');
