-- The tiles named.
-- locks: nothing
-- index: tiles_pkey
-- rows: one per tile that there is
SELECT
    tiles.level,
    tiles.position,
    tiles.hashes
FROM unnest($1::smallint[], $2::bigint[]) AS named (level, position)
INNER JOIN tiles ON tiles.level = named.level AND tiles.position = named.position
