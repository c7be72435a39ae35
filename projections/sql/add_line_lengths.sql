-- Add to the lengths of waiting lists.
-- locks: the rows added to; the projector's row is locked already
-- index: line_lengths_pkey
-- rows: one per row sent
INSERT INTO line_lengths (stream_id, category, waiting, places)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
ON CONFLICT (stream_id, category) DO UPDATE SET
    waiting = line_lengths.waiting + excluded.waiting,
    places = line_lengths.places + excluded.places
