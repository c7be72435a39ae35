-- One user.
-- locks: nothing
-- index: users_pkey
-- rows: one or none
SELECT
    user_id,
    name,
    email,
    created_at_us
FROM users
WHERE user_id = $1
