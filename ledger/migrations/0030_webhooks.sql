-- Webhooks and what was sent to them: the outbox that follows the sequence.
-- Like the sequence these tables are one whole, and stay on one machine where the ledger does not.

CREATE TABLE webhooks (
    webhook_id uuid NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    stream_id uuid,
    secret bytea NOT NULL,
    registered_by uuid NOT NULL,
    registered_at_us bigint NOT NULL,
    next_seq bigint NOT NULL,
    disabled_at_us bigint,
    disabled_because text,
    turn bigint NOT NULL DEFAULT 0,
    turn_until_us bigint NOT NULL DEFAULT 0,
    CONSTRAINT webhooks_pkey PRIMARY KEY (webhook_id),
    CONSTRAINT webhooks_secret_length CHECK (octet_length(secret) BETWEEN 24 AND 64),
    CONSTRAINT webhooks_next_seq_not_negative CHECK (next_seq >= 0),
    CONSTRAINT webhooks_disabled_with_reason
        CHECK ((disabled_at_us IS NULL) = (disabled_because IS NULL))
)
WITH (fillfactor = 50);

CREATE TABLE deliveries (
    webhook_id uuid NOT NULL,
    seq bigint NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    first_attempt_at_us bigint,
    last_attempt_at_us bigint,
    next_attempt_at_us bigint NOT NULL DEFAULT 0,
    delivered_at_us bigint,
    answer_status integer,
    last_error text,
    CONSTRAINT deliveries_pkey PRIMARY KEY (webhook_id, seq),
    CONSTRAINT deliveries_webhook_id_fkey
        FOREIGN KEY (webhook_id) REFERENCES webhooks ON DELETE CASCADE,
    CONSTRAINT deliveries_attempts_not_negative CHECK (attempts >= 0)
)
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX deliveries_pending_idx ON deliveries (webhook_id, seq) WHERE delivered_at_us IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks, deliveries TO flashticket_app;
