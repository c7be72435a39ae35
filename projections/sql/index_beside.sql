-- Give the tables beside the projected ones the same indexes.
-- locks: the tables beside, which nobody else uses
-- index: makes all of them
-- rows: none
DO $$
DECLARE
    made record;
BEGIN
    PERFORM set_config('maintenance_work_mem', '256MB', true);
    FOR made IN
        SELECT CASE
            WHEN conname IS NULL
                THEN regexp_replace(pg_get_indexdef(indexrelid), ' ON public\.', ' ON rebuilding.')
            ELSE format(
                'ALTER TABLE rebuilding.%I ADD CONSTRAINT %I %s',
                owner.relname, conname, pg_get_constraintdef(pg_constraint.oid)
            )
        END AS definition
        FROM pg_index
        INNER JOIN pg_class AS owner ON owner.oid = indrelid
        INNER JOIN pg_class AS beside
            ON beside.relname = owner.relname AND beside.relnamespace = 'rebuilding'::regnamespace
        LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
        WHERE owner.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE made.definition;
    END LOOP;
    ANALYZE
        rebuilding.streams, rebuilding.bookings, rebuilding.holds, rebuilding.waiting_list,
        rebuilding.seat_rows, rebuilding.seat_claims, rebuilding.allotments,
        rebuilding.projected, rebuilding.sales, rebuilding.revenue, rebuilding.occupancy,
        rebuilding.line_lengths, rebuilding.histories;
END
$$
