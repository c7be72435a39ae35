"""The truth: commands are decided under the stream's lock and become immutable, chained entries.

The seven invariants. Each is checked in code, held by the database, proved by `flashticket verify`
and shown by tests (docs/guarantees.md names them); the numbers are used throughout code, errors
and documents.

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

Names in monospace are of this package, or constraints, triggers and columns in ``migrations/``.

==== =========================== ======================================== ========================
     code check                  database                                 verify rule
==== =========================== ======================================== ========================
L1   `decide.choose`, and        `streams_booked_held_within_capacity`,   `replay.fold` by
     `decide.decide` of          `allotments_taken_within_capacity`       `state.overdrawn`
     `commands.ChangeCapacity`
L2   `decide.choose`; claims by  `seat_claims_pkey`; `bookings_pkey`,     `replay.fold` by
     `evolve.evolve`             `holds_pkey`                             `evolve.evolve`
L3   `batch.decide_batch` under  `ledger_pkey`; `ledger_append_only` and  `replay.fold` by
     the stream row's lock       no right to UPDATE or DELETE             `chain.hash_of`
L4   `batch.decide_batch`        `ledger_idempotency_key_key`             `replay.fold`
L5   `handle.handle` answers     fsync, full_page_writes and              `verify.verify`: no row
     after COMMIT;               synchronous_commit on, asked by          without its entry, no
     `attempts.Attempts` looks   `database.require_durable`               such setting off
     a lost one up
L6   `state.Changes` is folded   `store.append_and_commit`: entries and   `verify.verify`: every
     and projected alike         projections in one transaction           row against the fold
L7   `codec.decode` and          `payload` is the bytes that were hashed  `codec.decode`: the bytes
     `chain.preimage` take bytes                                          are the canonical ones
==== =========================== ======================================== ========================
"""
