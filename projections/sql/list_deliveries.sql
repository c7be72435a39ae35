-- A page of a webhook's deliveries, newest first.
-- locks: nothing
-- index: deliveries_pkey, then ledger_pkey
-- rows: at most the limit given
SELECT
    deliveries.seq,
    deliveries.stream_id,
    deliveries.version,
    ledger.type,
    ledger.recorded_at_us,
    deliveries.attempts,
    deliveries.last_attempt_at_us,
    deliveries.next_attempt_at_us,
    deliveries.delivered_at_us,
    deliveries.answer_status,
    deliveries.last_error
FROM deliveries
INNER JOIN ledger ON ledger.stream_id = deliveries.stream_id AND ledger.version = deliveries.version
WHERE
    deliveries.webhook_id = $1
    AND deliveries.seq < $2
    AND (NOT $3::boolean OR deliveries.delivered_at_us IS NULL)
ORDER BY deliveries.seq DESC
LIMIT $4
