-- The newest checkpoint that witnesses have cosigned, in one row; and when they were last asked, so
-- that of several processes one asks.

CREATE TABLE witnessed (
    is_only boolean NOT NULL DEFAULT true,
    size bigint NOT NULL,
    checkpoint text,
    cosigned_at_us bigint NOT NULL,
    asked_at_us bigint NOT NULL,
    CONSTRAINT witnessed_pkey PRIMARY KEY (is_only),
    CONSTRAINT witnessed_is_only CHECK (is_only)
)
WITH (fillfactor = 10);

INSERT INTO witnessed (size, cosigned_at_us, asked_at_us) VALUES (0, 0, 0);

GRANT SELECT, UPDATE ON witnessed TO flashticket_app;
