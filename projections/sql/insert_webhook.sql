-- Register a webhook, which begins at the number given or, without one, with what is numbered next.
--   None is registered where there are $8 already.
-- locks: the new row
-- index: webhooks_pkey
-- rows: one or none
INSERT INTO webhooks (
    webhook_id, url, types, stream_id, secret, registered_by, registered_at_us, next_seq
)
SELECT
    $1,
    $2,
    $3,
    $4,
    $5,
    $6,
    (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint,
    LEAST(coalesce($7, sequencer.next_seq), sequencer.next_seq)
FROM sequencer
WHERE (SELECT count(*) FROM webhooks) < $8
RETURNING webhook_id
