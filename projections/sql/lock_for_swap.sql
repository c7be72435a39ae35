-- Keep everybody away for the moment of the swap.
-- locks: all projected tables against every other use; streams first, as a batch does
-- index: none
-- rows: none
LOCK TABLE
streams, bookings, holds, waiting_list, seat_rows, seat_claims, allotments,
projector, projected, sales, revenue, occupancy, line_lengths, histories
IN ACCESS EXCLUSIVE MODE
