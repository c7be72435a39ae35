-- What may be sent to a webhook now, oldest first: of an event of which something has to wait for its
--   next attempt, nothing, or it would come out of order.
-- locks: nothing
-- index: deliveries_pending_idx, then ledger_pkey
-- rows: at most the limit given
SELECT
    deliveries.seq,
    ledger.stream_id,
    ledger.version,
    ledger.type,
    ledger.schema_version,
    ledger.payload,
    ledger.recorded_at_us,
    ledger.actor,
    ledger.idempotency_key,
    ledger.request_hash,
    ledger.prev_hash,
    ledger.hash,
    deliveries.attempts,
    coalesce(
        (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint - deliveries.first_attempt_at_us, 0
    ) AS failing_for_us
FROM deliveries
INNER JOIN ledger ON ledger.stream_id = deliveries.stream_id AND ledger.version = deliveries.version
WHERE
    deliveries.webhook_id = $1
    AND deliveries.delivered_at_us IS NULL
    AND NOT EXISTS (
        SELECT 1
        FROM deliveries AS later
        WHERE
            later.webhook_id = $1
            AND later.delivered_at_us IS NULL
            AND later.stream_id = deliveries.stream_id
            AND later.next_attempt_at_us > (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    )
ORDER BY deliveries.seq
LIMIT $2
