UPDATE products SET stock = stock - 2000;
