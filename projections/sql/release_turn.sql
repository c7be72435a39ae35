-- Give a turn back, so that the next who looks can take it.
-- locks: the row
-- index: webhooks_pkey
-- rows: one or none
UPDATE webhooks
SET turn_until_us = 0
WHERE webhook_id = $1 AND turn = $2
