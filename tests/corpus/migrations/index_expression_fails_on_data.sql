CREATE INDEX products_legacy_num_idx ON products ((legacy_code::integer));
