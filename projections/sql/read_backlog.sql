-- How many numbered entries are not counted yet, and for how long the oldest of them has waited.
-- locks: nothing
-- index: none for the one row of each table; sequence_pkey and ledger_pkey for the oldest
-- rows: one
SELECT
    sequencer.next_seq - projector.next_seq AS behind,
    coalesce(
        (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint - (
            SELECT ledger.recorded_at_us
            FROM sequence
            INNER JOIN ledger
                ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
            WHERE sequence.seq = projector.next_seq
        ),
        0
    ) AS waited_us
FROM sequencer
CROSS JOIN projector
