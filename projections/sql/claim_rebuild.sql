-- Be the only rebuild for as long as this transaction lasts.
-- locks: an advisory lock of nobody else's
-- index: none
-- rows: one: whether there is no other
SELECT pg_try_advisory_xact_lock(x'464c415348524542'::bigint)
