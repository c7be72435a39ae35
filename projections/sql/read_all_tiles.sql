-- Every tile, level by level, in order.
-- locks: nothing
-- index: tiles_pkey gives the order
-- rows: all
SELECT
    level,
    position,
    hashes
FROM tiles
ORDER BY level, position
