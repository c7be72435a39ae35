-- What came of attempts to deliver; only for who has the turn.
-- locks: the webhook's row, FOR UPDATE, so that nobody takes the turn meanwhile; those of the deliveries
-- index: webhooks_pkey, deliveries_pkey
-- rows: one, or none where somebody else has the turn
WITH mine AS MATERIALIZED (
    SELECT webhook_id
    FROM webhooks
    WHERE webhook_id = $1 AND turn = $2
    FOR UPDATE
),

clock AS MATERIALIZED (
    SELECT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS now_us
),

recorded AS (
    UPDATE deliveries
    SET
        attempts = deliveries.attempts + 1,
        first_attempt_at_us = coalesce(deliveries.first_attempt_at_us, clock.now_us),
        last_attempt_at_us = clock.now_us,
        delivered_at_us = CASE WHEN came.error IS NULL THEN clock.now_us END,
        next_attempt_at_us = clock.now_us + came.wait_us,
        answer_status = came.answer_status,
        last_error = came.error
    FROM mine
    CROSS JOIN clock
    CROSS JOIN unnest($3::bigint[], $4::integer[], $5::text[], $6::bigint[])
        AS came (seq, answer_status, error, wait_us)
    WHERE deliveries.webhook_id = mine.webhook_id AND deliveries.seq = came.seq
)

SELECT webhook_id FROM mine
