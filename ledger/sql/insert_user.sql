-- Add a user.
-- locks: the new row
-- index: users_pkey
-- rows: one
INSERT INTO users (user_id, name, email, created_at_us)
VALUES ($1, $2, $3, $4)
