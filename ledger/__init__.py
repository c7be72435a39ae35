"""The truth: commands are decided under the stream's lock and become immutable, chained entries.

The seven invariants. Each is checked in code, held by the database, proved by `flashticket verify`
and shown by a test; the letters are used throughout code, errors and documents.

==== ======================================================================================
L1   At every prefix of every stream, booked + held <= capacity.
L2   A seat has at most one live claim.
L3   Versions of a stream are 1..n without gaps; each ``prev_hash`` is the ``hash`` before it.
L4   One idempotency key, one outcome: the same body gets the same answer, another is refused.
L5   An acknowledged booking is in the ledger after any crash; what is not was never acknowledged.
L6   The stream row and every projection equal the fold; Redis never serves a version older
     than one it served.
L7   Replay is a function of the stored bytes alone: no clock, locale, time zone or random.
==== ======================================================================================

==== =============================== ============================================= ==============
     code check                      database                                      verify rule
==== =============================== ============================================= ==============
L1   decide.book, decide.resize      CHECK streams_booked_held_within_capacity     replay.overbooked
L2   decide.book                     PK bookings_pkey; CHECK bookings_quantity     replay.claims
L3   chain.seal under the row lock   PK ledger_pkey; trigger ledger_append_only    chain.verify_link
L4   batch.decide_batch              UNIQUE ledger_idempotency_key_key             replay.key_reused
L5   handle.handle answers after     fsync and synchronous_commit, checked at      every booking row
     COMMIT; recovery on a lost one  start by database.require_durable             has its entry
L6   state.evolve makes the rows     same transaction as the entries               fold against rows
L7   codec and chain take bytes      payload bytea: the bytes that were hashed     bytes re-encoded
==== =============================== ============================================= ==============
"""
