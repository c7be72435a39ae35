-- Which of the users named exist.
-- locks: nothing
-- index: users_pkey
-- rows: one per existing user named
SELECT user_id
FROM users
WHERE user_id = ANY($1::uuid[])
