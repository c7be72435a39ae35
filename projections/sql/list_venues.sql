-- A page of venues, in order of creation.
-- locks: nothing
-- index: venues_pkey
-- rows: at most the limit given
SELECT
    venue_id,
    name,
    capacity,
    created_at_us
FROM venues
WHERE venue_id > $1
ORDER BY venue_id
LIMIT $2
