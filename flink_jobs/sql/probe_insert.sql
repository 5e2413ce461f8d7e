-- By the clock of the TaskManager, and not by the client's as CURRENT_TIMESTAMP would be.
INSERT INTO probe SELECT CAST(CURRENT_ROW_TIMESTAMP() AS STRING)
