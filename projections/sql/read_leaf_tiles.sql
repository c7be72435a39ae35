-- A page of the tiles of leaf hashes, in order.
-- locks: nothing
-- index: tiles_pkey
-- rows: at most the limit given
SELECT
    position,
    hashes
FROM tiles
WHERE level = 0 AND position >= $1
ORDER BY position
LIMIT $2
