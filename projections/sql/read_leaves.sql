-- The leaf hashes (RFC 6962) of the entries that follow the tree's last one, one after another.
-- locks: nothing; the tree's row is locked already
-- index: sequence_pkey from the tree's size on, then ledger_pkey
-- rows: one: how many entries there are, at most as many as asked for, and their hashes
SELECT
    count(*) AS entries,
    coalesce(
        string_agg(sha256('\x00'::bytea || entry_preimage(ledger)), ''::bytea ORDER BY fresh.seq), ''
    ) AS hashes
FROM (
    SELECT
        seq,
        stream_id,
        version
    FROM sequence
    WHERE seq >= (SELECT size FROM tree)
    ORDER BY seq
    LIMIT $1
) AS fresh
LEFT JOIN ledger ON ledger.stream_id = fresh.stream_id AND ledger.version = fresh.version
