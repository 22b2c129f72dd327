SELECT count(*) FROM {function}(false)
