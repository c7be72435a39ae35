-- The entries of streams that follow the versions given, at most $3 of each.
-- locks: nothing
-- index: ledger_pkey from each version on
-- rows: as many as asked for at most, stream by stream in the order of versions
SELECT
    news.stream_id,
    news.version,
    news.recorded_at_us,
    news.actor,
    news.idempotency_key,
    news.request_hash,
    news.type,
    news.schema_version,
    news.payload,
    news.prev_hash,
    news.hash
FROM unnest($1::uuid[], $2::bigint[]) AS named (stream_id, version)
CROSS JOIN LATERAL (
    SELECT *
    FROM ledger
    WHERE ledger.stream_id = named.stream_id AND ledger.version > named.version
    ORDER BY ledger.version
    LIMIT $3
) AS news
ORDER BY news.stream_id, news.version
