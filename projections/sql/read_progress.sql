-- How many entries are numbered, how many of them are in the tree, and its checkpoint.
-- locks: nothing
-- index: none: there is one row in each table
-- rows: one
SELECT
    sequencer.next_seq,
    tree.size,
    tree.checkpoint
FROM sequencer
CROSS JOIN tree
