CREATE UNIQUE INDEX top_products_id ON top_products (product_id);
