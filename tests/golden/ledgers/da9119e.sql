-- A database as commit da9119e left it, written by its API: the schema of its migrations, and its rows.
-- See README.md. Never edited.

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

CREATE TABLE IF NOT EXISTS migrations (
    name text CONSTRAINT migrations_pkey PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON migrations TO flashticket_app;

INSERT INTO "migrations" ("name", "checksum", "applied_at") VALUES ('0001_ledger.sql', '58aa0c488f0ec0462e2396a498697657606978efbcb4203a294edfb804e5fe59', '2026-11-25 14:59:21.430390+00:00'::timestamptz);
INSERT INTO "migrations" ("name", "checksum", "applied_at") VALUES ('0002_directory.sql', 'f22ba85462e091f591ab3249c130c9991ab196948cdff869aec02ff12474ed1f', '2026-11-25 14:59:21.430390+00:00'::timestamptz);
INSERT INTO "venues" ("venue_id", "name", "capacity", "created_at_us") VALUES ('01a21337fc23701fbb85ec61ed07eb61'::uuid, 'Waldbühne', 20, 1795618765859259);
INSERT INTO "users" ("user_id", "name", "email", "created_at_us") VALUES ('01a21337fc36705495f8676e7a9f07b8'::uuid, 'User 0', 'user0@example.org', 1795618765878040);
INSERT INTO "users" ("user_id", "name", "email", "created_at_us") VALUES ('01a21337fc4c763c8e32e2b5527e7203'::uuid, 'User 1', 'user1@example.org', 1795618765900594);
INSERT INTO "users" ("user_id", "name", "email", "created_at_us") VALUES ('01a21337fc607615a2975e4819ffaf12'::uuid, 'User 2', 'user2@example.org', 1795618765920625);
INSERT INTO "users" ("user_id", "name", "email", "created_at_us") VALUES ('01a21337fc7d73fc96826a9b2743f2cc'::uuid, 'User 3', 'user3@example.org', 1795618765949065);
INSERT INTO "api_keys" ("key_id", "key_hash", "role", "created_at_us") VALUES ('01a21337ecaf7417a3860ebee8b70b10'::uuid, '\x8c0cc55d931788b9357e8198109dfdc9b88f740172f12b01667a3f697aa03816'::bytea, 'client', 1795618761903369);
INSERT INTO "api_keys" ("key_id", "key_hash", "role", "created_at_us") VALUES ('01a21337ef1d71949babf41c43869e82'::uuid, '\x3fbb30098ed871d4c4914cf88231cad0ed1b9c15aa891cb31d4cc87457723519'::bytea, 'organizer', 1795618762525971);
INSERT INTO "streams" ("stream_id", "version", "head_hash", "capacity", "booked", "held", "updated_at_us", "venue_id", "venue_capacity", "name", "starts_at_us", "sales_open_at_us", "sales_close_at_us", "limit_per_user") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 7, '\xf67e973d662ffe9437dead5ed0df6b13d097ab37cff157edd38d5f50617b7e0b'::bytea, 7, 6, 0, 1795618766274695, '01a21337fc23701fbb85ec61ed07eb61'::uuid, 20, 'Ödön', 1925060400000000, NULL, NULL, NULL);
INSERT INTO "streams" ("stream_id", "version", "head_hash", "capacity", "booked", "held", "updated_at_us", "venue_id", "venue_capacity", "name", "starts_at_us", "sales_open_at_us", "sales_close_at_us", "limit_per_user") VALUES ('01a21337fcb8738eb3097eb3eb28bfdd'::uuid, 4, '\xc2a4301ec89603093c5813e4c86d54d1cfdb03efa995c79a1908440d4184e4ff'::bytea, 10, 4, 0, 1795618766413182, '01a21337fc23701fbb85ec61ed07eb61'::uuid, 20, 'Ödön', 1925060400000000, 1767225600000000, 2082758400000000, 4);
INSERT INTO "streams" ("stream_id", "version", "head_hash", "capacity", "booked", "held", "updated_at_us", "venue_id", "venue_capacity", "name", "starts_at_us", "sales_open_at_us", "sales_close_at_us", "limit_per_user") VALUES ('01a21337fcf6776c9726f8354a849bdc'::uuid, 2, '\x88391b52a028cf37e02c497e0dfd42aa59306de208e9cb54c4b4088d562d8ec0'::bytea, 1, 1, 0, 1795618766436368, '01a21337fc23701fbb85ec61ed07eb61'::uuid, 20, 'Ödön', 1925060400000000, NULL, NULL, NULL);
INSERT INTO "streams" ("stream_id", "version", "head_hash", "capacity", "booked", "held", "updated_at_us", "venue_id", "venue_capacity", "name", "starts_at_us", "sales_open_at_us", "sales_close_at_us", "limit_per_user") VALUES ('01a21337fd11737ba79036b878572571'::uuid, 1, '\xb60f102f60b9ed7cd62ba5be5e04308d250868b82459c0fd6fd4c96f3fe60e74'::bytea, 8, 0, 0, 1795618766098005, '01a21337fc23701fbb85ec61ed07eb61'::uuid, 20, 'Ödön', 1925060400000000, NULL, 1767225600000000, NULL);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 1, 'EventScheduled', 1, '\x7b226361706163697479223a362c226c696d69745f7065725f75736572223a6e756c6c2c226e616d65223a22c39664c3b66e222c2273616c65735f636c6f73655f6174223a6e756c6c2c2273616c65735f6f70656e5f6174223a6e756c6c2c227374617274735f6174223a313932353036303430303030303030302c2276656e75655f6361706163697479223a32302c2276656e75655f6964223a2230316132313333372d666332332d373031662d626238352d656336316564303765623631227d'::bytea, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea, '\xc2cecf8dbbca2c9b26c6cd92926e39eb7319de56a3f159ccce63dd6971cf2172'::bytea, 1795618765979022, NULL, NULL, '01a21337ef1d71949babf41c43869e82'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 2, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666432302d373662342d383035662d393637353930393935623561222c227175616e74697479223a332c22757365725f6964223a2230316132313333372d666333362d373035342d393566382d363736653761396630376238227d'::bytea, '\xc2cecf8dbbca2c9b26c6cd92926e39eb7319de56a3f159ccce63dd6971cf2172'::bytea, '\x692fb5f037fc62dea346f29da1bb5a8300cc0089caab6f0560a3a92072ff2d66'::bytea, 1795618766113024, '\x55f995405e856956dacb2bf026f14826f799e38ba8ac71348782c9044770008e'::bytea, '\x4247fefc03a8bb451799819c069314333c87a60ac3f03909783e27d1aae04ab1'::bytea, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 3, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666433352d373432342d383135322d656464346162616565336235222c227175616e74697479223a322c22757365725f6964223a2230316132313333372d666334632d373633632d386533322d653262353532376537323033227d'::bytea, '\x692fb5f037fc62dea346f29da1bb5a8300cc0089caab6f0560a3a92072ff2d66'::bytea, '\x322a9563ea310ef179479c1c368a8e45cea5fb2ceb0452fa3f738b693bd60d9b'::bytea, 1795618766135498, '\x0fd98e2de2924b2592aea56ca29c07b09f0b8259e376718cbc4160cf1e8e7f57'::bytea, '\xf10bb176aabc95a425edcde0de8a6f9edae2fadeffe67262dff913db2f22a5cf'::bytea, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 4, 'BookingCancelled', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666433352d373432342d383135322d656464346162616565336235222c227175616e74697479223a322c22757365725f6964223a2230316132313333372d666334632d373633632d386533322d653262353532376537323033227d'::bytea, '\x322a9563ea310ef179479c1c368a8e45cea5fb2ceb0452fa3f738b693bd60d9b'::bytea, '\x8c779dbcbf8ffe05ffaf01ca0a4d2cb78960b57bb6a563965ac64eab5607b316'::bytea, 1795618766167755, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 5, 'CapacityChanged', 1, '\x7b226361706163697479223a377d'::bytea, '\x8c779dbcbf8ffe05ffaf01ca0a4d2cb78960b57bb6a563965ac64eab5607b316'::bytea, '\x93bc5b782b60f18bc2dfb8791310b9444a98a11d081c5d42937f3098a3c8e850'::bytea, 1795618766215710, NULL, NULL, '01a21337ef1d71949babf41c43869e82'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 6, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666461632d373063662d383165302d353235343732663330626263222c227175616e74697479223a312c22757365725f6964223a2230316132313333372d666336302d373631352d613239372d356534383139666661663132227d'::bytea, '\x93bc5b782b60f18bc2dfb8791310b9444a98a11d081c5d42937f3098a3c8e850'::bytea, '\x17bd5176b6fa14a4ed087a26192d4ff959a8df478b95129cc173a6582f28cff4'::bytea, 1795618766253543, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fc94745498b9086779a78b79'::uuid, 7, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666463312d373234642d383531382d666633373666663831646164222c227175616e74697479223a322c22757365725f6964223a2230316132313333372d666334632d373633632d386533322d653262353532376537323033227d'::bytea, '\x17bd5176b6fa14a4ed087a26192d4ff959a8df478b95129cc173a6582f28cff4'::bytea, '\xf67e973d662ffe9437dead5ed0df6b13d097ab37cff157edd38d5f50617b7e0b'::bytea, 1795618766274695, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fcb8738eb3097eb3eb28bfdd'::uuid, 1, 'EventScheduled', 1, '\x7b226361706163697479223a31302c226c696d69745f7065725f75736572223a342c226e616d65223a22c39664c3b66e222c2273616c65735f636c6f73655f6174223a323038323735383430303030303030302c2273616c65735f6f70656e5f6174223a313736373232353630303030303030302c227374617274735f6174223a313932353036303430303030303030302c2276656e75655f6361706163697479223a32302c2276656e75655f6964223a2230316132313333372d666332332d373031662d626238352d656336316564303765623631227d'::bytea, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea, '\x2a884cc9a53662d984876cb8634fca3fbe6ddd633f3d6bf22be66a122047a46b'::bytea, 1795618766011693, NULL, NULL, '01a21337ef1d71949babf41c43869e82'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fcb8738eb3097eb3eb28bfdd'::uuid, 2, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666464392d373138372d623430362d383034636639366333346631222c227175616e74697479223a342c22757365725f6964223a2230316132313333372d666333362d373035342d393566382d363736653761396630376238227d'::bytea, '\x2a884cc9a53662d984876cb8634fca3fbe6ddd633f3d6bf22be66a122047a46b'::bytea, '\x24c93a38bb33db154ff742bb4de3e70ba8214879f394898fb940a7dfb66cfa9a'::bytea, 1795618766299051, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fcb8738eb3097eb3eb28bfdd'::uuid, 3, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666530332d373036632d613732302d303535373863396637653138222c227175616e74697479223a322c22757365725f6964223a2230316132313333372d666334632d373633632d386533322d653262353532376537323033227d'::bytea, '\x24c93a38bb33db154ff742bb4de3e70ba8214879f394898fb940a7dfb66cfa9a'::bytea, '\x6e27ead47f533b4950d697a904d5b54bc40b16fca4c2afd80d952cf56a05a38c'::bytea, 1795618766340764, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fcb8738eb3097eb3eb28bfdd'::uuid, 4, 'BookingCancelled', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666530332d373036632d613732302d303535373863396637653138222c227175616e74697479223a322c22757365725f6964223a2230316132313333372d666334632d373633632d386533322d653262353532376537323033227d'::bytea, '\x6e27ead47f533b4950d697a904d5b54bc40b16fca4c2afd80d952cf56a05a38c'::bytea, '\xc2a4301ec89603093c5813e4c86d54d1cfdb03efa995c79a1908440d4184e4ff'::bytea, 1795618766413182, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fcf6776c9726f8354a849bdc'::uuid, 1, 'EventScheduled', 1, '\x7b226361706163697479223a312c226c696d69745f7065725f75736572223a6e756c6c2c226e616d65223a22c39664c3b66e222c2273616c65735f636c6f73655f6174223a6e756c6c2c2273616c65735f6f70656e5f6174223a6e756c6c2c227374617274735f6174223a313932353036303430303030303030302c2276656e75655f6361706163697479223a32302c2276656e75655f6964223a2230316132313333372d666332332d373031662d626238352d656336316564303765623631227d'::bytea, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea, '\x10af4623bc60704bf91b4d8490b03e359f5101a2665603380473c3d73b072624'::bytea, 1795618766071161, NULL, NULL, '01a21337ef1d71949babf41c43869e82'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fcf6776c9726f8354a849bdc'::uuid, 2, 'SeatsBooked', 1, '\x7b22626f6f6b696e675f6964223a2230316132313333372d666536332d373538612d626134652d353836366435623266633731222c227175616e74697479223a312c22757365725f6964223a2230316132313333372d666337642d373366632d393638322d366139623237343366326363227d'::bytea, '\x10af4623bc60704bf91b4d8490b03e359f5101a2665603380473c3d73b072624'::bytea, '\x88391b52a028cf37e02c497e0dfd42aa59306de208e9cb54c4b4088d562d8ec0'::bytea, 1795618766436368, NULL, NULL, '01a21337ecaf7417a3860ebee8b70b10'::uuid);
INSERT INTO "ledger" ("stream_id", "version", "type", "schema_version", "payload", "prev_hash", "hash", "recorded_at_us", "idempotency_key", "request_hash", "actor") VALUES ('01a21337fd11737ba79036b878572571'::uuid, 1, 'EventScheduled', 1, '\x7b226361706163697479223a382c226c696d69745f7065725f75736572223a6e756c6c2c226e616d65223a22c39664c3b66e222c2273616c65735f636c6f73655f6174223a313736373232353630303030303030302c2273616c65735f6f70656e5f6174223a6e756c6c2c227374617274735f6174223a313932353036303430303030303030302c2276656e75655f6361706163697479223a32302c2276656e75655f6964223a2230316132313333372d666332332d373031662d626238352d656336316564303765623631227d'::bytea, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea, '\xb60f102f60b9ed7cd62ba5be5e04308d250868b82459c0fd6fd4c96f3fe60e74'::bytea, 1795618766098005, NULL, NULL, '01a21337ef1d71949babf41c43869e82'::uuid);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fd2076b4805f967590995b5a'::uuid, '01a21337fc94745498b9086779a78b79'::uuid, '01a21337fc36705495f8676e7a9f07b8'::uuid, 3, 'booked', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766113024, 2, '\x692fb5f037fc62dea346f29da1bb5a8300cc0089caab6f0560a3a92072ff2d66'::bytea, 1795618766113024, 2, '\x692fb5f037fc62dea346f29da1bb5a8300cc0089caab6f0560a3a92072ff2d66'::bytea);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fd3574248152edd4abaee3b5'::uuid, '01a21337fc94745498b9086779a78b79'::uuid, '01a21337fc4c763c8e32e2b5527e7203'::uuid, 2, 'cancelled', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766135498, 3, '\x322a9563ea310ef179479c1c368a8e45cea5fb2ceb0452fa3f738b693bd60d9b'::bytea, 1795618766167755, 4, '\x8c779dbcbf8ffe05ffaf01ca0a4d2cb78960b57bb6a563965ac64eab5607b316'::bytea);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fdac70cf81e0525472f30bbc'::uuid, '01a21337fc94745498b9086779a78b79'::uuid, '01a21337fc607615a2975e4819ffaf12'::uuid, 1, 'booked', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766253543, 6, '\x17bd5176b6fa14a4ed087a26192d4ff959a8df478b95129cc173a6582f28cff4'::bytea, 1795618766253543, 6, '\x17bd5176b6fa14a4ed087a26192d4ff959a8df478b95129cc173a6582f28cff4'::bytea);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fdc1724d8518ff376ff81dad'::uuid, '01a21337fc94745498b9086779a78b79'::uuid, '01a21337fc4c763c8e32e2b5527e7203'::uuid, 2, 'booked', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766274695, 7, '\xf67e973d662ffe9437dead5ed0df6b13d097ab37cff157edd38d5f50617b7e0b'::bytea, 1795618766274695, 7, '\xf67e973d662ffe9437dead5ed0df6b13d097ab37cff157edd38d5f50617b7e0b'::bytea);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fdd97187b406804cf96c34f1'::uuid, '01a21337fcb8738eb3097eb3eb28bfdd'::uuid, '01a21337fc36705495f8676e7a9f07b8'::uuid, 4, 'booked', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766299051, 2, '\x24c93a38bb33db154ff742bb4de3e70ba8214879f394898fb940a7dfb66cfa9a'::bytea, 1795618766299051, 2, '\x24c93a38bb33db154ff742bb4de3e70ba8214879f394898fb940a7dfb66cfa9a'::bytea);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fe03706ca72005578c9f7e18'::uuid, '01a21337fcb8738eb3097eb3eb28bfdd'::uuid, '01a21337fc4c763c8e32e2b5527e7203'::uuid, 2, 'cancelled', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766340764, 3, '\x6e27ead47f533b4950d697a904d5b54bc40b16fca4c2afd80d952cf56a05a38c'::bytea, 1795618766413182, 4, '\xc2a4301ec89603093c5813e4c86d54d1cfdb03efa995c79a1908440d4184e4ff'::bytea);
INSERT INTO "bookings" ("booking_id", "stream_id", "user_id", "quantity", "status", "booked_by", "booked_at_us", "entry_version", "entry_hash", "changed_at_us", "changed_version", "changed_hash") VALUES ('01a21337fe63758aba4e5866d5b2fc71'::uuid, '01a21337fcf6776c9726f8354a849bdc'::uuid, '01a21337fc7d73fc96826a9b2743f2cc'::uuid, 1, 'booked', '01a21337ecaf7417a3860ebee8b70b10'::uuid, 1795618766436368, 2, '\x88391b52a028cf37e02c497e0dfd42aa59306de208e9cb54c4b4088d562d8ec0'::bytea, 1795618766436368, 2, '\x88391b52a028cf37e02c497e0dfd42aa59306de208e9cb54c4b4088d562d8ec0'::bytea);
