-- The ledger, the capacity stream rows and the bookings projection.
-- Every key and unique constraint carries stream_id, so that the tables can be distributed by it.

DO $$
BEGIN
    CREATE ROLE flashticket_app NOLOGIN;
EXCEPTION
    -- Roles belong to the whole server: another database's migration may have made it, even just now.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- The owner may act as the application, which so never needs a second password in development.
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'flashticket_app', 'SET') THEN
        EXECUTE format('GRANT flashticket_app TO %I', current_user);
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO flashticket_app;

CREATE TABLE streams (
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    head_hash bytea NOT NULL,
    capacity integer NOT NULL,
    booked integer NOT NULL,
    held integer NOT NULL,
    updated_at_us bigint NOT NULL,
    venue_id uuid NOT NULL,
    venue_capacity integer NOT NULL,
    name text NOT NULL,
    starts_at_us bigint NOT NULL,
    sales_open_at_us bigint,
    sales_close_at_us bigint,
    limit_per_user integer,
    CONSTRAINT streams_pkey PRIMARY KEY (stream_id),
    CONSTRAINT streams_version_positive CHECK (version >= 1),
    CONSTRAINT streams_head_hash_length CHECK (octet_length(head_hash) = 32),
    CONSTRAINT streams_capacity_not_negative CHECK (capacity >= 0),
    CONSTRAINT streams_booked_not_negative CHECK (booked >= 0),
    CONSTRAINT streams_held_not_negative CHECK (held >= 0),
    CONSTRAINT streams_booked_held_within_capacity CHECK (booked + held <= capacity),
    CONSTRAINT streams_capacity_within_venue CHECK (capacity <= venue_capacity),
    CONSTRAINT streams_limit_per_user_positive CHECK (limit_per_user >= 1)
)
-- Counters are in no index and half of each page is kept free, so that updates stay HOT.
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE ledger (
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    schema_version smallint NOT NULL,
    payload bytea NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    recorded_at_us bigint NOT NULL,
    idempotency_key bytea,
    request_hash bytea,
    actor uuid NOT NULL,
    CONSTRAINT ledger_pkey PRIMARY KEY (stream_id, version),
    CONSTRAINT ledger_version_positive CHECK (version >= 1),
    CONSTRAINT ledger_schema_version_positive CHECK (schema_version >= 1),
    CONSTRAINT ledger_hash_length CHECK (octet_length(hash) = 32),
    CONSTRAINT ledger_prev_hash_length CHECK (octet_length(prev_hash) = 32),
    CONSTRAINT ledger_idempotency_key_length CHECK (octet_length(idempotency_key) = 32),
    CONSTRAINT ledger_request_hash_with_key
        CHECK ((idempotency_key IS NULL) = (request_hash IS NULL) AND octet_length(request_hash) = 32)
)
-- Payloads are short: kept in line and uncompressed, so that reading them back is one copy.
WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

ALTER TABLE ledger ALTER COLUMN payload SET STORAGE PLAIN;

-- The key comes first, so that one index both holds L4 within a stream and finds a key that was
-- used on another stream.
CREATE UNIQUE INDEX ledger_idempotency_key_key ON ledger (idempotency_key, stream_id)
WHERE idempotency_key IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER ledger_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE bookings (
    booking_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    user_id uuid NOT NULL,
    quantity integer NOT NULL,
    status text NOT NULL,
    booked_by uuid NOT NULL,
    booked_at_us bigint NOT NULL,
    entry_version bigint NOT NULL,
    entry_hash bytea NOT NULL,
    changed_at_us bigint NOT NULL,
    changed_version bigint NOT NULL,
    changed_hash bytea NOT NULL,
    CONSTRAINT bookings_pkey PRIMARY KEY (booking_id, stream_id),
    CONSTRAINT bookings_quantity_positive CHECK (quantity >= 1),
    CONSTRAINT bookings_status_known CHECK (status IN ('booked', 'cancelled'))
);

CREATE INDEX bookings_user_id_stream_id_idx ON bookings (user_id, stream_id);

GRANT SELECT, INSERT, UPDATE ON streams TO flashticket_app;
GRANT SELECT, INSERT ON ledger TO flashticket_app;
GRANT SELECT, INSERT, UPDATE ON bookings TO flashticket_app;

-- For people: the same entries with the payload as JSON and times as times. Nothing is hashed from it.
CREATE VIEW ledger_readable AS
SELECT
    stream_id,
    version,
    type,
    schema_version,
    convert_from(payload, 'UTF8')::jsonb AS payload,
    encode(prev_hash, 'hex') AS prev_hash,
    encode(hash, 'hex') AS hash,
    to_timestamp(recorded_at_us / 1000000.0) AS recorded_at,
    actor
FROM ledger;

GRANT SELECT ON ledger_readable TO flashticket_app;
