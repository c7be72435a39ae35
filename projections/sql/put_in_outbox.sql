-- What the sequence has new for a webhook, put into its outbox, at most $4 numbers at a time and none
--   while $5 wait there; position and deliveries in one statement, only for who has the turn, which
--   is renewed. What is in the outbox already was put there while a replay waited for the lock.
-- locks: the webhook's row, FOR UPDATE
-- index: webhooks_pkey, sequence_pkey from its position on, then ledger_pkey
-- rows: one: how many wait in the outbox now; none where somebody else has the turn
WITH span AS MATERIALIZED (
    SELECT
        webhooks.webhook_id,
        webhooks.types,
        webhooks.stream_id,
        webhooks.next_seq AS first_seq,
        waiting.count AS waiting,
        CASE
            WHEN waiting.count < $5 THEN LEAST(webhooks.next_seq + $4, sequencer.next_seq)
            ELSE webhooks.next_seq
        END AS past_seq
    FROM webhooks
    CROSS JOIN sequencer
    CROSS JOIN (
        SELECT count(*) AS count
        FROM deliveries
        WHERE webhook_id = $1 AND delivered_at_us IS NULL
    ) AS waiting
    WHERE webhooks.webhook_id = $1 AND webhooks.turn = $2 AND webhooks.disabled_at_us IS NULL
    FOR UPDATE OF webhooks
),

moved AS (
    UPDATE webhooks
    SET
        next_seq = span.past_seq,
        turn_until_us = (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint + $3::bigint
    FROM span
    WHERE webhooks.webhook_id = span.webhook_id
),

put AS (
    INSERT INTO deliveries (webhook_id, seq, stream_id, version)
    SELECT
        span.webhook_id,
        sequence.seq,
        sequence.stream_id,
        sequence.version
    FROM span
    INNER JOIN sequence ON sequence.seq >= span.first_seq AND sequence.seq < span.past_seq
    INNER JOIN ledger ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
    WHERE
        (span.stream_id IS NULL OR sequence.stream_id = span.stream_id)
        AND (span.types = '{}' OR ledger.type = ANY(span.types))
    ON CONFLICT ON CONSTRAINT deliveries_pkey DO NOTHING
    RETURNING seq
)

SELECT span.waiting + (SELECT count(*) FROM put) AS waiting
FROM span
