-- Move the next number past the last one given.
-- locks: nothing new; the row is locked already
-- index: sequence_pkey, its last row
-- rows: one, or none when no number was given
UPDATE sequencer
SET next_seq = given.next_seq
FROM (SELECT max(seq) + 1 AS next_seq FROM sequence) AS given
WHERE given.next_seq > sequencer.next_seq
