SELECT count(*) FROM {table} WHERE id %% %(step)s = 0
