-- Become the one who counts until the end of the transaction.
-- locks: the one row, FOR UPDATE, unless somebody else has it
-- index: none: there is one row
-- rows: one, or none while another counts
SELECT next_seq
FROM projector
FOR UPDATE SKIP LOCKED
