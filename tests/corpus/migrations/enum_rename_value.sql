ALTER TYPE pay_method RENAME VALUE 'card' TO 'credit_card';
