-- Keep writers away while the derived rows are made again.
-- locks: streams and bookings against every other use; taken in the order in which a batch takes them
-- index: none
-- rows: none
LOCK TABLE streams, bookings IN ACCESS EXCLUSIVE MODE
