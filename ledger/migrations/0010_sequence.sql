-- One order over all streams, and the Merkle tree over it.
-- The ledger itself is not touched: the order has tables of its own. They are read and written as
-- one whole, so where the ledger is distributed by stream_id they stay on one machine.

-- The order is published and signed, so it is part of the truth and not rebuilt.
CREATE TABLE sequence (
    seq bigint NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT sequence_pkey PRIMARY KEY (seq),
    CONSTRAINT sequence_stream_id_version_key UNIQUE (stream_id, version),
    CONSTRAINT sequence_seq_not_negative CHECK (seq >= 0)
)
WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE TRIGGER sequence_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON sequence
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far each stream is sequenced.
CREATE TABLE sequenced (
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT sequenced_pkey PRIMARY KEY (stream_id)
)
WITH (fillfactor = 50);

-- One row: whoever holds its lock is the sequencer for as long as the transaction lasts.
CREATE TABLE sequencer (
    is_only boolean NOT NULL DEFAULT true,
    next_seq bigint NOT NULL,
    CONSTRAINT sequencer_pkey PRIMARY KEY (is_only),
    CONSTRAINT sequencer_is_only CHECK (is_only)
)
WITH (fillfactor = 10);

INSERT INTO sequencer (next_seq) VALUES (0);

-- The tree's tiles: 1 to 256 hashes each, a tile that is not full growing until it is.
CREATE TABLE tiles (
    level smallint NOT NULL,
    position bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT tiles_pkey PRIMARY KEY (level, position),
    CONSTRAINT tiles_hashes_whole CHECK (octet_length(hashes) % 32 = 0),
    CONSTRAINT tiles_hashes_at_most_256 CHECK (octet_length(hashes) BETWEEN 32 AND 8192)
);

-- Hashes do not get smaller by compressing them.
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- One row: the size that the tiles have, and the checkpoint that says so.
CREATE TABLE tree (
    is_only boolean NOT NULL DEFAULT true,
    size bigint NOT NULL,
    checkpoint text,
    CONSTRAINT tree_pkey PRIMARY KEY (is_only),
    CONSTRAINT tree_is_only CHECK (is_only)
)
WITH (fillfactor = 10);

INSERT INTO tree (size) VALUES (0);

GRANT SELECT, INSERT ON sequence TO flashticket_app;
GRANT SELECT, INSERT, UPDATE ON sequenced, tiles TO flashticket_app;
GRANT SELECT, UPDATE ON sequencer, tree TO flashticket_app;

-- The bytes that ledger.chain.preimage gives for an entry. STABLE, as convert_to is, and so simple
-- that the planner puts it in line.
CREATE FUNCTION entry_preimage(entry ledger) RETURNS bytea
LANGUAGE sql STABLE
RETURN '\x666c6173687469636b65742f656e7472792f310a'::bytea
    || uuid_send(entry.stream_id)
    || int8send(entry.version)
    || int8send(entry.recorded_at_us)
    || int2send(entry.schema_version)
    || uuid_send(entry.actor)
    || entry.prev_hash
    || int4send(octet_length(entry.type))
    || convert_to(entry.type, 'UTF8')
    || int4send(coalesce(octet_length(entry.idempotency_key), 0))
    || coalesce(entry.idempotency_key, '\x'::bytea)
    || int4send(coalesce(octet_length(entry.request_hash), 0))
    || coalesce(entry.request_hash, '\x'::bytea)
    || int4send(octet_length(entry.payload))
    || entry.payload;
