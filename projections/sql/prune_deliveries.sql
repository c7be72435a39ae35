-- Of what was delivered to a webhook, keep the newest $2.
-- locks: the rows deleted
-- index: deliveries_pkey
-- rows: those delivered since the last time
DELETE FROM deliveries
WHERE
    webhook_id = $1
    AND delivered_at_us IS NOT NULL
    AND seq < (
        SELECT kept.seq
        FROM deliveries AS kept
        WHERE kept.webhook_id = $1 AND kept.delivered_at_us IS NOT NULL
        ORDER BY kept.seq DESC
        LIMIT 1
        OFFSET $2
    )
