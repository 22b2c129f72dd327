SELECT setval('ticket_seq', (SELECT max(id) FROM orders));
