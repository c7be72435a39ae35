-- Bookings that a stream's entries from one version up to another began, in that order.
-- locks: nothing
-- index: ledger_pkey, the range of versions
-- rows: at most the limit given
SELECT
    version,
    (convert_from(payload, 'UTF8')::jsonb ->> 'booking_id')::uuid AS booking_id
FROM ledger
WHERE
    stream_id = $1 AND version > $2 AND version <= $3
    AND type IN ('SeatsBooked', 'HoldConfirmed')
ORDER BY version
LIMIT $4
