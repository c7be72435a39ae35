-- Project what changed about a batch's holds: how they stand and, if confirmed, as which booking.
-- locks: the rows named; their stream rows are locked already
-- index: holds_pkey
-- rows: one per hold
UPDATE holds
SET
    status = changed.status,
    changed_version = changed.version,
    changed_hash = changed.hash,
    changed_at_us = changed.at_us,
    booking_id = changed.booking_id
FROM
    unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::uuid[]
    ) AS changed (hold_id, stream_id, status, version, hash, at_us, booking_id)
WHERE holds.hold_id = changed.hold_id AND holds.stream_id = changed.stream_id
