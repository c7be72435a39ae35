-- The newest checkpoint, the newest that was cosigned, for how long it has been in
--   microseconds, and whether witnesses answer: they did the last time, or were asked just now.
-- locks: nothing
-- index: none: there is one row in each table
-- rows: one
SELECT
    tree.checkpoint,
    witnessed.checkpoint AS cosigned,
    (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    - witnessed.cosigned_at_us AS cosigned_ago_us,
    witnessed.cosigned_at_us >= greatest(witnessed.asked_at_us, 1)
    OR witnessed.asked_at_us
    > (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint - 2000000 AS do_answer
FROM tree
CROSS JOIN witnessed
