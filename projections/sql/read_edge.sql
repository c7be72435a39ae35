-- The tiles at the tree's right edge that are not full.
-- locks: nothing; the tree's row is locked already
-- index: tiles_pkey
-- rows: at most one a level
SELECT
    tiles.level,
    tiles.position,
    tiles.hashes
FROM tree
CROSS JOIN generate_series(0, 7) AS levels (level)
INNER JOIN tiles
    ON tiles.level = levels.level AND tiles.position = (tree.size >> (8 * levels.level)) / 256
