-- Entries of large halls: the seats of 5,000 places are a payload of 54 KB, more than a page holds.
-- External: short payloads stay in line as before, long ones go aside, neither is compressed.

ALTER TABLE ledger ALTER COLUMN payload SET STORAGE EXTERNAL;
