-- All webhooks, or one, with what each has still to be sent and the time of the oldest of it.
-- locks: nothing
-- index: none: there are at most a hundred; of each deliveries_pending_idx, sequence_pkey, ledger_pkey
-- rows: one for each
SELECT
    webhooks.webhook_id,
    webhooks.url,
    webhooks.types,
    webhooks.stream_id,
    webhooks.registered_at_us,
    webhooks.next_seq,
    webhooks.disabled_at_us,
    webhooks.disabled_because,
    (
        SELECT count(*)
        FROM deliveries
        WHERE deliveries.webhook_id = webhooks.webhook_id AND deliveries.delivered_at_us IS NULL
    ) AS pending,
    (
        SELECT ledger.recorded_at_us
        FROM deliveries
        INNER JOIN ledger
            ON ledger.stream_id = deliveries.stream_id AND ledger.version = deliveries.version
        WHERE deliveries.webhook_id = webhooks.webhook_id AND deliveries.delivered_at_us IS NULL
        ORDER BY deliveries.seq
        LIMIT 1
    ) AS oldest_pending_at_us
FROM webhooks
WHERE $1::uuid IS NULL OR webhooks.webhook_id = $1
ORDER BY webhooks.webhook_id
