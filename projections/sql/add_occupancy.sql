-- Add to what is taken of sections.
-- locks: the rows added to; the projector's row is locked already
-- index: occupancy_pkey
-- rows: one per row sent
INSERT INTO occupancy (stream_id, section, seats, booked, held)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
ON CONFLICT (stream_id, section) DO UPDATE SET
    seats = occupancy.seats + excluded.seats,
    booked = occupancy.booked + excluded.booked,
    held = occupancy.held + excluded.held
