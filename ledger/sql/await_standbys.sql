-- Write a record that says nothing: its commit waits until the synchronous standbys, where there are
--    any, have all that is visible here.
-- locks: nothing
-- index: none
-- rows: one with synchronous standbys, none without, and then nothing is written
SELECT pg_logical_emit_message(true, 'flashticket', '')
WHERE current_setting('synchronous_standby_names') <> ''
