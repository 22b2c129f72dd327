UPDATE plans SET price = (SELECT total FROM orders WHERE state = 'returned' AND id < 100);
