-- Throw away what was swapped out.
-- locks: the tables that nobody uses any more
-- index: none
-- rows: none
DROP SCHEMA rebuilding, replaced CASCADE
