-- Where bookings come from, and how far they changed: the versions of their first and last entry,
--   of the hold's that they were, and of the joining of the line that led to it.
-- locks: nothing
-- index: bookings_pkey, then holds_pkey and waiting_list_pkey
-- rows: one per booking named
SELECT
    bookings.entry_version,
    bookings.changed_version,
    holds.entry_version AS held_version,
    waiting_list.entry_version AS joined_version
FROM bookings
LEFT JOIN holds ON holds.hold_id = bookings.hold_id AND holds.stream_id = bookings.stream_id
LEFT JOIN waiting_list
    ON waiting_list.waiting_id = holds.waiting_id AND waiting_list.stream_id = holds.stream_id
WHERE bookings.booking_id = ANY($2::uuid[]) AND bookings.stream_id = $1
