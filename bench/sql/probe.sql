SELECT id, event_id FROM {table} WHERE id > %(above)s AND id %% %(step)s = 0
