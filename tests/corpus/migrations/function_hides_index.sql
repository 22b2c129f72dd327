SELECT slow_index('orders', 'code');
