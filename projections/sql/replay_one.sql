-- Send a webhook one entry again, whether or not the delivery is still kept; whoever is at the webhook
--   loses the turn, so that an answer to an earlier attempt is not taken for one to this.
-- locks: the webhook's row and the delivery's
-- index: webhooks_pkey, sequence_pkey, deliveries_pkey
-- rows: one, or none where there is no such webhook or entry, or it has not come to that one yet
WITH turned AS (
    UPDATE webhooks
    SET turn = webhooks.turn + 1, turn_until_us = 0
    FROM sequence
    WHERE webhooks.webhook_id = $1 AND sequence.seq = $2 AND webhooks.next_seq > $2
    RETURNING webhooks.webhook_id, sequence.seq, sequence.stream_id, sequence.version
)

INSERT INTO deliveries (webhook_id, seq, stream_id, version)
SELECT
    webhook_id,
    seq,
    stream_id,
    version
FROM turned
ON CONFLICT ON CONSTRAINT deliveries_pkey DO UPDATE
SET attempts = 0, first_attempt_at_us = NULL, next_attempt_at_us = 0, delivered_at_us = NULL
RETURNING seq
