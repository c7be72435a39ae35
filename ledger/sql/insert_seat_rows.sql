-- Write the labelled seats of newly scheduled events.
-- locks: the new rows
-- index: seat_rows_pkey
-- rows: one per row of seats
INSERT INTO seat_rows (stream_id, position, section, row_label, category, seats)
SELECT *
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[]::jsonb[])
