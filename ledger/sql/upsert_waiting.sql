-- Project a batch's places in line, new and changed.
-- locks: the rows named; their stream rows are locked already
-- index: waiting_list_pkey
-- rows: one per place in line
INSERT INTO waiting_list (
    waiting_id, stream_id, user_id, quantity, status, joined_by,
    entry_version, entry_hash, entry_at_us, changed_version, changed_hash, changed_at_us,
    category, hold_id
)
SELECT *
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::uuid[],
    $7::bigint[], $8::bytea[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[],
    $13::text[], $14::uuid[]
)
ON CONFLICT (waiting_id, stream_id) DO UPDATE
SET
    status = excluded.status,
    changed_version = excluded.changed_version,
    changed_hash = excluded.changed_hash,
    changed_at_us = excluded.changed_at_us,
    hold_id = excluded.hold_id
