-- Whether an id was that of a user who was erased.
-- locks: nothing
-- index: erased_users_pkey
-- rows: one or none
SELECT user_id
FROM erased_users
WHERE user_id = $1
