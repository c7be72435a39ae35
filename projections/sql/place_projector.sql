-- Say that all entries numbered in this snapshot are counted.
-- locks: the new row
-- index: none: there is one row in each table
-- rows: one
INSERT INTO rebuilding.projector (next_seq, recorded_at_us)
SELECT
    sequencer.next_seq,
    coalesce(
        (
            SELECT ledger.recorded_at_us
            FROM sequence
            INNER JOIN ledger
                ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
            WHERE sequence.seq = sequencer.next_seq - 1
        ),
        0
    )
FROM sequencer
