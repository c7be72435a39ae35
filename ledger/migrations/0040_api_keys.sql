-- What bounds an API key: scopes, a user, an expiry, a revocation and a rate; and its name.
-- Only columns with defaults: no table is rewritten. The version before reads role alone, so keys
-- that are bounded are for when no process of it runs any more.

ALTER TABLE api_keys
ADD COLUMN name text NOT NULL DEFAULT '',
ADD COLUMN scopes text[],
ADD COLUMN user_id uuid,
ADD COLUMN rate_requests integer,
ADD COLUMN rate_seconds integer,
ADD COLUMN expires_at_us bigint,
ADD COLUMN revoked_at_us bigint,
ADD CONSTRAINT api_keys_user_of_client CHECK (user_id IS NULL OR role = 'client') NOT VALID,
ADD CONSTRAINT api_keys_rate_whole
CHECK ((rate_requests IS NULL) = (rate_seconds IS NULL)) NOT VALID,
ADD CONSTRAINT api_keys_rate_positive
CHECK (rate_requests >= 1 AND rate_seconds >= 1) NOT VALID;

ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_user_of_client;
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_rate_whole;
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_rate_positive;

-- A key may be revoked and otherwise stays as it was made.
GRANT UPDATE (revoked_at_us) ON api_keys TO flashticket_app;
