-- Take the tree until the end of the transaction.
-- locks: the one row, FOR UPDATE
-- index: none: there is one row
-- rows: one
SELECT size
FROM tree
FOR UPDATE
