-- End an API key now; one that was revoked before keeps the time of the first.
-- locks: the key's row
-- index: api_keys_pkey
-- rows: one, or none for an unknown id
UPDATE api_keys
SET
    revoked_at_us = coalesce(
        revoked_at_us, (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    )
WHERE key_id = $1
RETURNING
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
