-- Take the turn at webhooks where nobody has it; the new number makes any earlier turn worthless.
-- locks: the rows taken; those that others are just taking are passed over
-- index: none: there are at most a hundred webhooks
-- rows: at most $2
UPDATE webhooks
SET
    turn = webhooks.turn + 1,
    turn_until_us = (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint + $1::bigint
FROM (
    SELECT webhook_id
    FROM webhooks
    WHERE
        disabled_at_us IS NULL
        AND turn_until_us <= (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    ORDER BY webhook_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
) AS free
WHERE webhooks.webhook_id = free.webhook_id
RETURNING webhooks.webhook_id, webhooks.turn, webhooks.url, webhooks.secret
