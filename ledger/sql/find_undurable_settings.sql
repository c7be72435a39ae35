-- The settings with which a crash, or the loss of a primary that has synchronous standbys, could
--    lose an acknowledged commit.
-- locks: nothing
-- index: none
-- rows: one per setting that is off; none on a durable server
SELECT name
FROM pg_settings
WHERE
    (name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off')
    OR (
        name = 'synchronous_commit'
        AND setting = 'local'
        AND current_setting('synchronous_standby_names') <> ''
    )
ORDER BY name
