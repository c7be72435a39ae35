-- Write what happened to users.
-- locks: the new rows; the projector's row is locked already
-- index: histories_pkey
-- rows: one per row sent
INSERT INTO histories (user_id, seq, stream_id, version, recorded_at_us, what, subject_id, quantity)
SELECT *
FROM unnest(
    $1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::uuid[], $8::integer[]
)
