-- Store tiles that are new or have got longer.
-- locks: the tiles
-- index: tiles_pkey
-- rows: one per tile
INSERT INTO tiles (level, position, hashes)
SELECT *
FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, position) DO UPDATE SET hashes = excluded.hashes
