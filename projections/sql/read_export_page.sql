-- A page of the entries below a number, stream by stream. An entry without a number is among them if
--   it cannot be waiting for one: the stream's row or mark has gone by it, or has never heard of it.
--   The page ends early where its payloads come to more bytes than given.
-- locks: nothing
-- index: ledger_pkey from the place given on, then sequence_stream_id_version_key
-- rows: at most the limit given, and one at least if there is any
SELECT
    stream_id,
    version,
    seq,
    recorded_at_us,
    actor,
    type,
    schema_version,
    idempotency_key,
    request_hash,
    prev_hash,
    hash,
    payload
FROM (
    SELECT
        page.*,
        sum(octet_length(page.payload)) OVER (ORDER BY page.stream_id, page.version)
        - octet_length(page.payload) AS bytes_before
    FROM (
        SELECT
            ledger.stream_id,
            ledger.version,
            sequence.seq,
            ledger.recorded_at_us,
            ledger.actor,
            ledger.type,
            ledger.schema_version,
            ledger.idempotency_key,
            ledger.request_hash,
            ledger.prev_hash,
            ledger.hash,
            ledger.payload
        FROM ledger
        LEFT JOIN sequence
            ON sequence.stream_id = ledger.stream_id AND sequence.version = ledger.version
        WHERE
            (ledger.stream_id, ledger.version) > ($1, $2)
            AND (
                sequence.seq < $3
                OR (
                    sequence.seq IS NULL
                    AND (
                        ledger.version > coalesce(
                            (
                                SELECT streams.version FROM streams
                                WHERE streams.stream_id = ledger.stream_id
                            ), 0
                        )
                        OR ledger.version <= (
                            SELECT sequenced.version FROM sequenced
                            WHERE sequenced.stream_id = ledger.stream_id
                        )
                    )
                )
            )
        ORDER BY ledger.stream_id, ledger.version
        LIMIT $4
    ) AS page
) AS counted
WHERE bytes_before <= $5
ORDER BY stream_id, version
