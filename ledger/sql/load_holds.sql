-- The holds that a batch's commands name, and all of its streams that are due.
-- locks: nothing; their stream rows are locked already
-- index: holds_pkey for those named, holds_due_idx for those due
-- rows: one per hold named that exists, and one per hold that is over
SELECT
    holds.hold_id,
    holds.stream_id,
    holds.user_id,
    holds.quantity,
    holds.status,
    holds.held_by,
    holds.expires_at_us,
    holds.entry_version,
    holds.entry_hash,
    holds.entry_at_us,
    holds.changed_version,
    holds.changed_hash,
    holds.changed_at_us,
    holds.category,
    holds.seats,
    holds.amount_cents,
    holds.waiting_id,
    holds.booking_id
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, hold_id)
INNER JOIN holds USING (stream_id, hold_id)
UNION ALL
SELECT
    holds.hold_id,
    holds.stream_id,
    holds.user_id,
    holds.quantity,
    holds.status,
    holds.held_by,
    holds.expires_at_us,
    holds.entry_version,
    holds.entry_hash,
    holds.entry_at_us,
    holds.changed_version,
    holds.changed_hash,
    holds.changed_at_us,
    holds.category,
    holds.seats,
    holds.amount_cents,
    holds.waiting_id,
    holds.booking_id
FROM holds
WHERE
    holds.status = 'held'
    -- Read after read_clock in the same transaction: a later time, so no hold due then is missing.
    AND holds.expires_at_us <= (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
    AND holds.stream_id = ANY($3::uuid[])
