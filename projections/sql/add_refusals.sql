-- Add refusals that a process counted, of streams that there are.
-- locks: the rows added to, in the order sent
-- index: streams_pkey and refusals_pkey
-- rows: one per row sent
INSERT INTO refusals (stream_id, reason, refused)
SELECT
    counted.stream_id,
    counted.reason,
    counted.refused
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS counted (stream_id, reason, refused)
INNER JOIN streams USING (stream_id)
ORDER BY counted.stream_id, counted.reason
ON CONFLICT (stream_id, reason) DO UPDATE SET refused = refusals.refused + excluded.refused
