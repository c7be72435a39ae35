-- The API keys with these hashes that are valid now, each with how long it still will be.
-- locks: nothing
-- index: api_keys_key_hash_key
-- rows: at most one per hash
SELECT
    key_hash,
    key_id,
    role,
    scopes,
    user_id,
    rate_requests,
    rate_seconds,
    expires_at_us - (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS valid_us
FROM api_keys
WHERE
    key_hash = ANY($1::bytea[])
    AND revoked_at_us IS NULL
    AND (
        expires_at_us IS NULL
        OR expires_at_us > (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    )
