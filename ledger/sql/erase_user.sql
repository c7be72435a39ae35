-- Take a user's name and address away, and note that the id was one.
-- locks: the user's row, and the new one
-- index: users_pkey, erased_users_pkey
-- rows: one; none where no user is left under the id
WITH erased AS (
    DELETE FROM users
    WHERE user_id = $1
    RETURNING user_id
)

INSERT INTO erased_users (user_id, erased_at_us)
SELECT
    user_id,
    $2
FROM erased
RETURNING user_id
