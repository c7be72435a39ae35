-- Move the heads of a batch's streams.
-- locks: nothing new; the rows are locked already. No indexed column changes: a HOT update
-- index: streams_pkey
-- rows: one per stream that got entries
UPDATE streams
SET
    version = moved.version,
    head_hash = moved.head_hash,
    capacity = moved.capacity,
    booked = moved.booked,
    held = moved.held,
    updated_at_us = moved.updated_at_us,
    status = moved.status,
    in_line = moved.in_line
FROM
    unnest(
        $1::uuid[], $2::bigint[], $3::bytea[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[],
        $8::text[], $9::integer[]
    ) AS moved (
        stream_id, version, head_hash, capacity, booked, held, updated_at_us, status, in_line
    )
WHERE streams.stream_id = moved.stream_id
