ALTER TYPE pay_method RENAME TO payment_method;
