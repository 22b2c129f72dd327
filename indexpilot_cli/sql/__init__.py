"""SQL text understood: the parser adapter, normal form, expressions, volatility, selectivity."""
