SELECT set_config('datestyle', 'ISO', true) AS dates,
       set_config('intervalstyle', 'postgres', true) AS intervals,
       set_config('bytea_output', 'hex', true) AS bytes,
       set_config('extra_float_digits', '3', true) AS floats
