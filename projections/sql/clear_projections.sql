-- Throw the derived rows away.
-- locks: both tables, which lock_for_rebuild holds already
-- index: none
-- rows: all
TRUNCATE streams, bookings
