-- Send a webhook everything again from a number on: its position goes back, what is past it is
--   forgotten, and whoever is at it loses the turn.
-- locks: the row, and those of its deliveries from the number on
-- index: webhooks_pkey, deliveries_pkey
-- rows: one or none; of deliveries, those kept
WITH turned AS (
    UPDATE webhooks
    SET next_seq = LEAST(next_seq, $2), turn = turn + 1, turn_until_us = 0
    WHERE webhook_id = $1
    RETURNING webhook_id
),

forgotten AS (
    DELETE FROM deliveries
    USING turned
    WHERE deliveries.webhook_id = turned.webhook_id AND deliveries.seq >= $2
)

SELECT webhook_id FROM turned
