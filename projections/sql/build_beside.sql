-- Make tables beside the projected ones, the same but empty and without indexes, and throw away what
--   an earlier rebuild left.
-- locks: the projected tables against changes of their columns, for a moment
-- index: none
-- rows: none
DO $$
DECLARE
    name text;
    acl record;
BEGIN
    DROP SCHEMA IF EXISTS rebuilding, replaced CASCADE;
    CREATE SCHEMA rebuilding;
    CREATE SCHEMA replaced;
    FOREACH name IN ARRAY ARRAY[
        'streams', 'bookings', 'holds', 'waiting_list', 'seat_rows', 'seat_claims', 'allotments',
        'projector', 'projected', 'sales', 'revenue', 'occupancy', 'line_lengths', 'histories'
    ] LOOP
        EXECUTE format(
            'CREATE TABLE rebuilding.%1$I (LIKE public.%1$I INCLUDING ALL EXCLUDING INDEXES)', name
        );
        -- LIKE leaves out whose the table is, how full its pages get, and who may do what.
        EXECUTE (
            SELECT format('ALTER TABLE rebuilding.%I OWNER TO %s', name, relowner::regrole)
            FROM pg_class
            WHERE oid = format('public.%I', name)::regclass
        );
        EXECUTE coalesce(
            (
                SELECT format('ALTER TABLE rebuilding.%I SET (%s)', name, array_to_string(reloptions, ', '))
                FROM pg_class
                WHERE oid = format('public.%I', name)::regclass AND reloptions IS NOT NULL
            ),
            'SELECT'
        );
        FOR acl IN
            SELECT
                privilege_type,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
            FROM pg_class
            CROSS JOIN aclexplode(relacl)
            WHERE oid = format('public.%I', name)::regclass AND grantee <> relowner
        LOOP
            EXECUTE format('GRANT %s ON rebuilding.%I TO %s', acl.privilege_type, name, acl.grantee);
        END LOOP;
    END LOOP;
END
$$
