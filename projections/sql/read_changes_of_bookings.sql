-- Of a stream's entries from one version up to another, those that change the bookings named.
-- locks: nothing
-- index: ledger_pkey, the range of versions
-- rows: at most the difference of the two
SELECT
    stream_id,
    version,
    recorded_at_us,
    actor,
    idempotency_key,
    request_hash,
    type,
    schema_version,
    payload,
    prev_hash,
    hash
FROM ledger
WHERE
    stream_id = $1 AND version > $2 AND version <= $3
    AND type IN ('BookingCancelled', 'BookingTransferred', 'CheckInAnnulled', 'TicketCheckedIn')
    AND (convert_from(payload, 'UTF8')::jsonb ->> 'booking_id')::uuid = ANY($4::uuid[])
ORDER BY version
