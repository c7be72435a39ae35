-- Erasing a user takes the row with name and address away; the id stays known.

CREATE TABLE erased_users (
    user_id uuid NOT NULL,
    erased_at_us bigint NOT NULL,
    CONSTRAINT erased_users_pkey PRIMARY KEY (user_id)
);

GRANT SELECT, INSERT ON erased_users TO flashticket_app;
GRANT DELETE ON users TO flashticket_app;

-- The planner keeps samples of what is in a column, and would keep those of the erased. It never
-- searches by name or address, so it gets none; setting the type anew drops what it has by now.
ALTER TABLE users
ALTER COLUMN name SET STATISTICS 0,
ALTER COLUMN email SET STATISTICS 0;

ALTER TABLE users
ALTER COLUMN name TYPE text,
ALTER COLUMN email TYPE text;
