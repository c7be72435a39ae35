-- Find the tables beside the projected ones where those are looked for, and all others as ever.
-- locks: nothing
-- index: none
-- rows: none
SET search_path TO rebuilding, public
