-- What has the seats of the streams named.
-- locks: nothing; the stream rows are locked already
-- index: seat_claims_pkey
-- rows: one per seat that is booked or held
SELECT
    stream_id,
    seat,
    claimed_by
FROM seat_claims
WHERE stream_id = ANY($1::uuid[])
