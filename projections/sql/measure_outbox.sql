-- How many entries are numbered, and the age of the oldest that a webhook in use still has to be sent.
-- locks: nothing
-- index: none: there are at most a hundred webhooks; of each deliveries_pending_idx, then ledger_pkey
-- rows: one
SELECT
    sequencer.next_seq,
    coalesce(
        (
            SELECT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
                - min(oldest.recorded_at_us)
            FROM webhooks
            CROSS JOIN LATERAL (
                SELECT ledger.recorded_at_us
                FROM deliveries
                INNER JOIN ledger
                    ON
                        ledger.stream_id = deliveries.stream_id
                        AND ledger.version = deliveries.version
                WHERE
                    deliveries.webhook_id = webhooks.webhook_id
                    AND deliveries.delivered_at_us IS NULL
                ORDER BY deliveries.seq
                LIMIT 1
            ) AS oldest
            WHERE webhooks.disabled_at_us IS NULL
        ),
        0
    )::bigint AS lag_us
FROM sequencer
