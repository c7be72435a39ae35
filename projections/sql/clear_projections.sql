-- Throw the derived rows away.
-- locks: the tables that lock_for_rebuild holds already
-- index: none
-- rows: all
TRUNCATE streams, bookings, holds, waiting_list, seat_rows, seat_claims, allotments
