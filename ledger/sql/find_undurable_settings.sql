-- The settings with which a crash could lose an acknowledged commit.
-- locks: nothing
-- index: none
-- rows: one per setting that is off; none on a durable server
SELECT name
FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
ORDER BY name
