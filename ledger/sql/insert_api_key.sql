-- Add an API key by its hash.
-- locks: the new row
-- index: api_keys_key_hash_key
-- rows: one
INSERT INTO api_keys (
    key_id, key_hash, name, role, scopes, user_id, rate_requests, rate_seconds, created_at_us,
    expires_at_us
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
