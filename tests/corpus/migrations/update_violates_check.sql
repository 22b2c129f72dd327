UPDATE orders SET state = 'archived' WHERE state = 'done';
