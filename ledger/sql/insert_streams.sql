-- Open the streams of newly scheduled events.
-- locks: the new rows
-- index: streams_pkey refuses a stream that exists
-- rows: one per new stream
INSERT INTO streams (
    stream_id, version, head_hash, capacity, booked, held, updated_at_us,
    venue_id, venue_capacity, name, starts_at_us, sales_open_at_us, sales_close_at_us, limit_per_user,
    limit_per_order, hold_seconds, categories, quotas, seat_count, status, in_line
)
SELECT *
FROM unnest(
    $1::uuid[], $2::bigint[], $3::bytea[], $4::integer[], $5::integer[], $6::integer[], $7::bigint[],
    $8::uuid[], $9::integer[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::integer[],
    $15::integer[], $16::integer[], $17::text[]::jsonb[], $18::text[]::jsonb[], $19::integer[], $20::text[], $21::integer[]
)
