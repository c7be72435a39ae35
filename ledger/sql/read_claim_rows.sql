-- Every claim on a seat, in the order of read_ledger.
-- locks: nothing
-- index: seat_claims_pkey gives the order
-- rows: all
SELECT
    stream_id,
    seat,
    claimed_by
FROM seat_claims
ORDER BY stream_id, seat
