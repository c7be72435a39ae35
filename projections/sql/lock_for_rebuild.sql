-- Keep everybody away while the derived rows are made again.
-- locks: all projected tables against every other use; streams first, as a batch does
-- index: none
-- rows: none
LOCK TABLE
streams, bookings, holds, waiting_list, seat_rows, seat_claims, allotments
IN ACCESS EXCLUSIVE MODE
