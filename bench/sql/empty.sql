TRUNCATE events, plain_events, ledger, dead_letters RESTART IDENTITY CASCADE
