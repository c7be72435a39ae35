-- The leaf hashes (RFC 6962) of the entries that follow the tree's last one, one after another: as
--   many as asked for, or fewer whose payloads are as many bytes as given, but one at least.
-- locks: nothing; the tree's row is locked already
-- index: sequence_pkey from the tree's size on, then ledger_pkey
-- rows: one: how many entries there are and their hashes
SELECT
    count(*) AS entries,
    coalesce(
        string_agg(
            sha256(
                '\x00'::bytea
                || CASE
                    WHEN octet_length(whole.preimage) <= 65535 THEN whole.preimage
                    ELSE
                        '\x666c6173687469636b65742f6c6f6e672d656e7472792f310a'::bytea
                        || uuid_send(fresh.stream_id)
                        || int8send(fresh.version)
                        || fresh.prev_hash
                        || sha256(whole.preimage)
                END
            ),
            ''::bytea ORDER BY fresh.seq
        ),
        ''
    ) AS hashes
FROM (
    SELECT
        numbered.seq,
        ledger.*,
        sum(coalesce(octet_length(ledger.payload), 0)) OVER (ORDER BY numbered.seq)
        - coalesce(octet_length(ledger.payload), 0) AS bytes_before
    FROM (
        SELECT
            seq,
            stream_id,
            version
        FROM sequence
        WHERE seq >= (SELECT size FROM tree)
        ORDER BY seq
        LIMIT $1
    ) AS numbered
    LEFT JOIN ledger ON ledger.stream_id = numbered.stream_id AND ledger.version = numbered.version
) AS fresh
-- OFFSET 0: made once, though it is used more than once. Column by column: a row as a whole would
-- be put together, with what is stored aside of a long payload read for it.
LEFT JOIN LATERAL (
    SELECT
        entry_preimage(
            ROW(
                fresh.stream_id,
                fresh.version,
                fresh.type,
                fresh.schema_version,
                fresh.payload,
                fresh.prev_hash,
                fresh.hash,
                fresh.recorded_at_us,
                fresh.idempotency_key,
                fresh.request_hash,
                fresh.actor
            )::ledger
        ) AS preimage
    OFFSET 0
) AS whole ON true
WHERE fresh.bytes_before <= $2
