-- See what the transaction sees that exported its snapshot.
-- locks: nothing
-- index: none
-- rows: none
SET TRANSACTION SNAPSHOT %s
