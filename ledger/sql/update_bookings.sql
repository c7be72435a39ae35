-- Project what a batch changed about older bookings.
-- locks: the rows named; their stream rows are locked already
-- index: bookings_pkey
-- rows: one per changed booking
UPDATE bookings
SET
    status = changed.status,
    changed_at_us = changed.changed_at_us,
    changed_version = changed.changed_version,
    changed_hash = changed.changed_hash
FROM
    unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[]
    ) AS changed (booking_id, stream_id, status, changed_at_us, changed_version, changed_hash)
WHERE bookings.booking_id = changed.booking_id AND bookings.stream_id = changed.stream_id
