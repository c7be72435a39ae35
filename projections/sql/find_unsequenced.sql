-- The streams of a page that have moved past their mark, and where the next page begins.
-- locks: nothing
-- index: streams_pkey from the id given on; sequenced_pkey beside it
-- rows: one; its last id is null when there is no stream after the one given
SELECT
    (array_agg(page.stream_id ORDER BY page.stream_id DESC))[1] AS last_stream_id,
    coalesce(
        array_agg(page.stream_id) FILTER (WHERE page.version > coalesce(sequenced.version, 0)), '{}'
    ) AS behind
FROM (
    SELECT
        stream_id,
        version
    FROM streams
    WHERE stream_id > $1
    ORDER BY stream_id
    LIMIT $2
) AS page
LEFT JOIN sequenced ON sequenced.stream_id = page.stream_id
