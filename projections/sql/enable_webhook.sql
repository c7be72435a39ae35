-- Let a webhook go on where it stopped: what waits is tried anew, by whoever takes the next turn.
-- locks: the row, and those of its deliveries that wait
-- index: webhooks_pkey, deliveries_pending_idx
-- rows: one or none; of deliveries, some thousand at most
WITH enabled AS (
    UPDATE webhooks
    SET disabled_at_us = NULL, disabled_because = NULL, turn = turn + 1, turn_until_us = 0
    WHERE webhook_id = $1
    RETURNING webhook_id
),

anew AS (
    UPDATE deliveries
    SET attempts = 0, first_attempt_at_us = NULL, next_attempt_at_us = 0
    FROM enabled
    WHERE deliveries.webhook_id = enabled.webhook_id AND deliveries.delivered_at_us IS NULL
)

SELECT webhook_id FROM enabled
