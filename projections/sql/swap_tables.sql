-- Put the tables made beside in the place of the projected ones.
-- locks: the tables that lock_for_swap holds already, and those beside
-- index: none: they come along
-- rows: none
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'rebuilding'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE public.%I SET SCHEMA replaced', name);
        EXECUTE format('ALTER TABLE rebuilding.%I SET SCHEMA public', name);
    END LOOP;
END
$$
