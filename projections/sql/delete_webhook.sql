-- Forget a webhook and its deliveries.
-- locks: the row, and those of its deliveries, which go with it
-- index: webhooks_pkey
-- rows: one or none
DELETE FROM webhooks
WHERE webhook_id = $1
RETURNING webhook_id
