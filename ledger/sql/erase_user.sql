-- Take a user's name and address away, note that the id was one, and end the API keys that act for
--   it.
-- locks: the user's row, the new one, and those keys' rows
-- index: users_pkey, erased_users_pkey; none for the keys, which are few
-- rows: one; none where no user is left under the id
WITH erased AS (
    DELETE FROM users
    WHERE user_id = $1
    RETURNING user_id
),

ended AS (
    UPDATE api_keys
    SET revoked_at_us = $2
    FROM erased
    WHERE api_keys.user_id = erased.user_id AND api_keys.revoked_at_us IS NULL
)

INSERT INTO erased_users (user_id, erased_at_us)
SELECT
    user_id,
    $2
FROM erased
RETURNING user_id
