-- Add a venue.
-- locks: the new row
-- index: venues_pkey
-- rows: one
INSERT INTO venues (venue_id, name, capacity, created_at_us)
VALUES ($1, $2, $3, $4)
