-- A page of users, in order of registration.
-- locks: nothing
-- index: users_pkey
-- rows: at most the limit given
SELECT
    user_id,
    name,
    email,
    created_at_us
FROM users
WHERE user_id > $1
ORDER BY user_id
LIMIT $2
