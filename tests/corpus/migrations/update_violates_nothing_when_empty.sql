UPDATE orders SET state = 'archived' WHERE state = 'lost';
