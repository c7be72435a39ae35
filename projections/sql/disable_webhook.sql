-- Stop sending to a webhook, and say why; only for who has the turn.
-- locks: the row
-- index: webhooks_pkey
-- rows: one or none
UPDATE webhooks
SET
    disabled_at_us = (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint,
    disabled_because = $3,
    turn_until_us = 0
WHERE webhook_id = $1 AND turn = $2
