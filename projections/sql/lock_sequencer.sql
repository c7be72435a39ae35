-- Become the sequencer until the end of the transaction.
-- locks: the one row, FOR UPDATE
-- index: none: there is one row
-- rows: one
SELECT next_seq
FROM sequencer
FOR UPDATE
