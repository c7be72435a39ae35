-- The bookings that a batch's commands name.
-- locks: nothing; their stream rows are locked already
-- index: bookings_pkey
-- rows: one per booking named that exists
SELECT
    bookings.booking_id,
    bookings.stream_id,
    bookings.user_id,
    bookings.quantity,
    bookings.status,
    bookings.booked_by,
    bookings.booked_at_us,
    bookings.entry_version,
    bookings.entry_hash,
    bookings.changed_at_us,
    bookings.changed_version,
    bookings.changed_hash,
    bookings.category,
    bookings.seats,
    bookings.amount_cents,
    bookings.cancelled_tickets,
    bookings.check_ins,
    bookings.generation,
    bookings.hold_id
FROM unnest($1::uuid[], $2::uuid[]) AS named (stream_id, booking_id)
INNER JOIN bookings USING (stream_id, booking_id)
