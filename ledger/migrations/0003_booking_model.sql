-- Holds, labelled seats, categories, waiting lists and the life of an event.
-- Only columns with defaults and new tables: no table is rewritten, and the code of the version
-- before goes on working while this one rolls out.

ALTER TABLE streams
ADD COLUMN status text NOT NULL DEFAULT 'open',
ADD COLUMN limit_per_order integer,
ADD COLUMN hold_seconds integer NOT NULL DEFAULT 300,
ADD COLUMN categories jsonb NOT NULL DEFAULT '[]',
ADD COLUMN quotas jsonb NOT NULL DEFAULT '[]',
ADD COLUMN seat_count integer NOT NULL DEFAULT 0,
ADD COLUMN in_line integer NOT NULL DEFAULT 0,
ADD CONSTRAINT streams_status_known CHECK (status IN ('open', 'closed', 'cancelled')) NOT VALID,
ADD CONSTRAINT streams_in_line_not_negative CHECK (in_line >= 0) NOT VALID;

ALTER TABLE streams VALIDATE CONSTRAINT streams_status_known;
ALTER TABLE streams VALIDATE CONSTRAINT streams_in_line_not_negative;

-- What a cancelled event still has to cancel is found without reading all events.
CREATE INDEX streams_cancelled_idx ON streams (stream_id) WHERE status = 'cancelled';

ALTER TABLE bookings
ADD COLUMN category text,
ADD COLUMN seats jsonb NOT NULL DEFAULT '[]',
ADD COLUMN amount_cents bigint NOT NULL DEFAULT 0,
ADD COLUMN cancelled_tickets jsonb NOT NULL DEFAULT '[]',
ADD COLUMN check_ins jsonb NOT NULL DEFAULT '[]',
ADD COLUMN generation integer NOT NULL DEFAULT 1,
ADD COLUMN hold_id uuid;

-- Until now only whole bookings could be cancelled.
UPDATE bookings
SET cancelled_tickets = (SELECT jsonb_agg(n ORDER BY n) FROM generate_series(1, quantity) AS n)
WHERE status = 'cancelled';

-- Of a cancelled event, the next bookings to cancel.
CREATE INDEX bookings_live_idx ON bookings (stream_id, booking_id) WHERE status = 'booked';

CREATE TABLE holds (
    hold_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    user_id uuid NOT NULL,
    quantity integer NOT NULL,
    status text NOT NULL,
    held_by uuid NOT NULL,
    expires_at_us bigint NOT NULL,
    entry_version bigint NOT NULL,
    entry_hash bytea NOT NULL,
    entry_at_us bigint NOT NULL,
    changed_version bigint NOT NULL,
    changed_hash bytea NOT NULL,
    changed_at_us bigint NOT NULL,
    category text,
    seats jsonb NOT NULL,
    amount_cents bigint NOT NULL,
    waiting_id uuid,
    booking_id uuid,
    CONSTRAINT holds_pkey PRIMARY KEY (hold_id, stream_id),
    CONSTRAINT holds_quantity_positive CHECK (quantity >= 1),
    CONSTRAINT holds_status_known CHECK (status IN ('held', 'confirmed', 'released', 'expired')),
    CONSTRAINT holds_booking_when_confirmed CHECK ((status = 'confirmed') = (booking_id IS NOT NULL))
);

CREATE INDEX holds_user_id_stream_id_idx ON holds (user_id, stream_id) WHERE status = 'held';
CREATE INDEX holds_due_idx ON holds (expires_at_us, stream_id) WHERE status = 'held';

CREATE TABLE waiting_list (
    waiting_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    user_id uuid NOT NULL,
    quantity integer NOT NULL,
    status text NOT NULL,
    joined_by uuid NOT NULL,
    entry_version bigint NOT NULL,
    entry_hash bytea NOT NULL,
    entry_at_us bigint NOT NULL,
    changed_version bigint NOT NULL,
    changed_hash bytea NOT NULL,
    changed_at_us bigint NOT NULL,
    category text,
    hold_id uuid,
    CONSTRAINT waiting_list_pkey PRIMARY KEY (waiting_id, stream_id),
    CONSTRAINT waiting_list_quantity_positive CHECK (quantity >= 1),
    CONSTRAINT waiting_list_status_known CHECK (status IN ('waiting', 'offered', 'left')),
    CONSTRAINT waiting_list_hold_when_offered CHECK ((status = 'offered') = (hold_id IS NOT NULL))
);

CREATE INDEX waiting_list_line_idx ON waiting_list (stream_id, entry_version) WHERE status = 'waiting';

CREATE INDEX waiting_list_user_id_stream_id_idx ON waiting_list (user_id, stream_id) WHERE status = 'waiting';

-- The seats of an event as scheduled; they never change.
CREATE TABLE seat_rows (
    stream_id uuid NOT NULL,
    position integer NOT NULL,
    section text NOT NULL,
    row_label text NOT NULL,
    category text,
    seats jsonb NOT NULL,
    CONSTRAINT seat_rows_pkey PRIMARY KEY (stream_id, position)
);

-- L2: the key allows a seat one claim, that of a hold or of a booking.
CREATE TABLE seat_claims (
    stream_id uuid NOT NULL,
    seat text NOT NULL,
    claimed_by uuid NOT NULL,
    CONSTRAINT seat_claims_pkey PRIMARY KEY (stream_id, seat)
);

-- How much of each category and quota is booked or held.
CREATE TABLE allotments (
    stream_id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    capacity integer,
    taken integer NOT NULL,
    CONSTRAINT allotments_pkey PRIMARY KEY (stream_id, kind, name),
    CONSTRAINT allotments_kind_known CHECK (kind IN ('category', 'quota')),
    CONSTRAINT allotments_taken_not_negative CHECK (taken >= 0),
    CONSTRAINT allotments_taken_within_capacity CHECK (taken <= capacity)
);

GRANT SELECT, INSERT, UPDATE ON holds, waiting_list, allotments TO flashticket_app;
GRANT SELECT, INSERT ON seat_rows TO flashticket_app;
GRANT SELECT, INSERT, DELETE ON seat_claims TO flashticket_app;
