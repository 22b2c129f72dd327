UPDATE accounts SET balance = balance * 100000000;
