-- Add users in bulk.
-- locks: the new rows
-- index: users_pkey
-- rows: one per line sent
COPY users (user_id, name, email, created_at_us) FROM STDIN
