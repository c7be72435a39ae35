-- One venue.
-- locks: nothing
-- index: venues_pkey
-- rows: one or none
SELECT
    venue_id,
    name,
    capacity,
    created_at_us
FROM venues
WHERE venue_id = $1
