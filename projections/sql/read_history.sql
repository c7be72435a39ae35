-- A page of what happened to a user, and how far all is counted.
-- locks: nothing
-- index: users_pkey or erased_users_pkey, and histories_pkey from the number given on
-- rows: at most the limit given; at least one if there is the user, without a number on an empty page
SELECT
    projector.next_seq AS version,
    projector.recorded_at_us AS as_of_us,
    page.seq,
    page.stream_id,
    page.version AS entry_version,
    page.recorded_at_us,
    page.what,
    page.subject_id,
    page.quantity
FROM (
    SELECT user_id
    FROM users
    WHERE user_id = $1
    UNION ALL
    SELECT user_id
    FROM erased_users
    WHERE user_id = $1
) AS known
CROSS JOIN projector
LEFT JOIN LATERAL (
    SELECT *
    FROM histories
    WHERE histories.user_id = known.user_id AND histories.seq > $2
    ORDER BY histories.seq
    LIMIT $3
) AS page ON true
ORDER BY page.seq
