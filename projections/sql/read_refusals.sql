-- How often wishes for an event were refused, and a time before which none is missing.
-- locks: nothing
-- index: streams_pkey and refusals_pkey
-- rows: one per reason; at least one, without a reason where nothing was refused
SELECT
    streams.version,
    (extract(EPOCH FROM statement_timestamp()) * 1000000)::bigint - $2::bigint AS as_of_us,
    refusals.reason,
    refusals.refused
FROM streams
LEFT JOIN refusals USING (stream_id)
WHERE streams.stream_id = $1
ORDER BY refusals.reason
