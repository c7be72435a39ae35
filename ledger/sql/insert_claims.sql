-- Put the claims of a batch on their seats.
-- locks: the new rows
-- index: seat_claims_pkey refuses a seat that has a claim (L2)
-- rows: one per seat that has one now
INSERT INTO seat_claims (stream_id, seat, claimed_by)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::uuid[])
