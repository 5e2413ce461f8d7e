SELECT
    set_config('statement_timeout', %(statement_timeout)s, false),
    set_config('search_path', %(search_path)s, false)
