-- How many entries are numbered.
-- locks: nothing
-- index: none: there is one row
-- rows: one
SELECT next_seq
FROM sequencer
