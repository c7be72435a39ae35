-- Say how far streams are counted; without a capacity they keep the one they had.
-- locks: the rows moved; the projector's row is locked already
-- index: projected_pkey
-- rows: one per stream sent
INSERT INTO projected (stream_id, version, recorded_at_us, capacity)
SELECT
    moved.stream_id,
    moved.version,
    moved.recorded_at_us,
    coalesce(moved.capacity, projected.capacity)
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[])
    AS moved (stream_id, version, recorded_at_us, capacity)
LEFT JOIN projected USING (stream_id)
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    recorded_at_us = excluded.recorded_at_us,
    capacity = excluded.capacity
