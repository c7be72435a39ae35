-- Move the marks of the streams whose entries this transaction numbered.
-- locks: the marks
-- index: sequence_pkey from the first new number on; sequenced_pkey
-- rows: one per stream that got numbers
INSERT INTO sequenced (stream_id, version)
SELECT
    stream_id,
    max(version)
FROM sequence
WHERE seq >= (SELECT next_seq FROM sequencer)
GROUP BY stream_id
ON CONFLICT (stream_id) DO UPDATE SET version = excluded.version
