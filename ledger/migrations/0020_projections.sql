-- What is counted from the entries in the order of their numbers, and how far that has come. All of
-- it can be made again from the ledger and its order, and like the order it is read and written as
-- one whole: where the ledger is distributed by stream_id it stays on one machine.

-- One row: entries below next_seq are counted, no others. Whoever holds its lock counts.
CREATE TABLE projector (
    is_only boolean NOT NULL DEFAULT true,
    next_seq bigint NOT NULL,
    recorded_at_us bigint NOT NULL,
    CONSTRAINT projector_pkey PRIMARY KEY (is_only),
    CONSTRAINT projector_is_only CHECK (is_only)
)
WITH (fillfactor = 10);

INSERT INTO projector (next_seq, recorded_at_us) VALUES (0, 0);

-- How far each stream is counted.
CREATE TABLE projected (
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    recorded_at_us bigint NOT NULL,
    capacity integer NOT NULL,
    CONSTRAINT projected_pkey PRIMARY KEY (stream_id)
)
WITH (fillfactor = 50);

-- Counters are in no index and part of each page is kept free, so that updates stay HOT.
CREATE TABLE sales (
    stream_id uuid NOT NULL,
    minute_us bigint NOT NULL,
    category text NOT NULL,
    booked bigint NOT NULL,
    cancelled bigint NOT NULL,
    booked_cents bigint NOT NULL,
    cancelled_cents bigint NOT NULL,
    CONSTRAINT sales_pkey PRIMARY KEY (stream_id, minute_us, category)
)
WITH (fillfactor = 70);

CREATE TABLE revenue (
    stream_id uuid NOT NULL,
    category text NOT NULL,
    booked bigint NOT NULL,
    cancelled bigint NOT NULL,
    booked_cents bigint NOT NULL,
    cancelled_cents bigint NOT NULL,
    CONSTRAINT revenue_pkey PRIMARY KEY (stream_id, category)
)
WITH (fillfactor = 50);

CREATE TABLE occupancy (
    stream_id uuid NOT NULL,
    section text NOT NULL,
    seats bigint NOT NULL,
    booked bigint NOT NULL,
    held bigint NOT NULL,
    CONSTRAINT occupancy_pkey PRIMARY KEY (stream_id, section)
)
WITH (fillfactor = 50);

CREATE TABLE line_lengths (
    stream_id uuid NOT NULL,
    category text NOT NULL,
    waiting bigint NOT NULL,
    places bigint NOT NULL,
    CONSTRAINT line_lengths_pkey PRIMARY KEY (stream_id, category)
)
WITH (fillfactor = 50);

CREATE TABLE histories (
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    recorded_at_us bigint NOT NULL,
    what text NOT NULL,
    subject_id uuid NOT NULL,
    quantity integer,
    CONSTRAINT histories_pkey PRIMARY KEY (user_id, seq, stream_id)
);

-- Refusals leave no entry. Processes count them and add up here now and then; nothing brings them
-- back once they are lost, so this is no projection and a rebuild leaves it alone.
CREATE TABLE refusals (
    stream_id uuid NOT NULL,
    reason text NOT NULL,
    refused bigint NOT NULL,
    CONSTRAINT refusals_pkey PRIMARY KEY (stream_id, reason)
)
WITH (fillfactor = 50);

GRANT SELECT, UPDATE ON projector TO flashticket_app;
GRANT SELECT, INSERT, UPDATE ON projected, sales, revenue, occupancy, line_lengths TO flashticket_app;
GRANT SELECT, INSERT ON histories TO flashticket_app;
GRANT SELECT, INSERT, UPDATE ON refusals TO flashticket_app;
