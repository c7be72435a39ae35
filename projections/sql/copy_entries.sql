-- The entries of the streams from one id up to and not including another, stream by stream in the
--   order of versions, each with its number if it has one.
-- locks: nothing
-- index: ledger_pkey from the id given on; sequence_stream_id_version_key beside it
-- rows: all entries of those streams
COPY (
    SELECT
        ledger.stream_id,
        ledger.version,
        ledger.recorded_at_us,
        ledger.actor,
        ledger.idempotency_key,
        ledger.request_hash,
        ledger.type,
        ledger.schema_version,
        ledger.payload,
        ledger.prev_hash,
        ledger.hash,
        sequence.seq
    FROM ledger
    LEFT JOIN sequence ON
        sequence.stream_id = ledger.stream_id AND sequence.version = ledger.version
        -- Said of both, so that of both no more than the range is read.
        AND sequence.stream_id >= %(first)s::uuid
        AND (%(end)s::uuid IS NULL OR sequence.stream_id < %(end)s::uuid)
    WHERE
        ledger.stream_id >= %(first)s::uuid
        AND (%(end)s::uuid IS NULL OR ledger.stream_id < %(end)s::uuid)
    ORDER BY ledger.stream_id, ledger.version
) TO STDOUT
