-- Of a stream's entries from one version up to another, those that change its counts.
-- locks: nothing
-- index: ledger_pkey, the range of versions
-- rows: at most the difference of the two
SELECT
    type,
    schema_version,
    payload
FROM ledger
WHERE stream_id = $1 AND version > $2 AND version <= $3 AND type = ANY($4::text[])
ORDER BY version
