-- Reference data that decisions look up: venues, users and API keys.

CREATE TABLE venues (
    venue_id uuid NOT NULL,
    name text NOT NULL,
    capacity integer NOT NULL,
    created_at_us bigint NOT NULL,
    CONSTRAINT venues_pkey PRIMARY KEY (venue_id),
    CONSTRAINT venues_capacity_positive CHECK (capacity >= 1)
);

-- The only table with personal data; entries and projections carry user_id alone.
CREATE TABLE users (
    user_id uuid NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    created_at_us bigint NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (user_id)
);

-- Keys have 256 random bits, so a plain SHA-256 of one can't be searched for.
CREATE TABLE api_keys (
    key_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    role text NOT NULL,
    created_at_us bigint NOT NULL,
    CONSTRAINT api_keys_pkey PRIMARY KEY (key_id),
    CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash),
    CONSTRAINT api_keys_key_hash_length CHECK (octet_length(key_hash) = 32),
    CONSTRAINT api_keys_role_known CHECK (role IN ('client', 'organizer', 'auditor', 'admin'))
);

GRANT SELECT, INSERT ON venues TO flashticket_app;
GRANT SELECT, INSERT ON users TO flashticket_app;
GRANT SELECT, INSERT ON api_keys TO flashticket_app;
