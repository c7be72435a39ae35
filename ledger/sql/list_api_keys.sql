-- API keys in order of creation, without their hashes.
-- locks: nothing
-- index: api_keys_pkey
-- rows: a page
SELECT
    key_id,
    name,
    role,
    scopes,
    user_id,
    rate_requests,
    rate_seconds,
    created_at_us,
    expires_at_us,
    revoked_at_us
FROM api_keys
WHERE key_id > $1
ORDER BY key_id
LIMIT $2
