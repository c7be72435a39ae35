-- Who waits on the streams named, first in line first, up to the number given per stream.
-- locks: nothing; the stream rows are locked already
-- index: waiting_list_line_idx
-- rows: at most the number given per stream
SELECT
    line.waiting_id,
    line.stream_id,
    line.user_id,
    line.quantity,
    line.status,
    line.joined_by,
    line.entry_version,
    line.entry_hash,
    line.entry_at_us,
    line.changed_version,
    line.changed_hash,
    line.changed_at_us,
    line.category,
    line.hold_id
FROM unnest($1::uuid[]) AS named (stream_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM waiting_list
    WHERE waiting_list.stream_id = named.stream_id AND waiting_list.status = 'waiting'
    ORDER BY waiting_list.entry_version
    LIMIT $2
) AS line
