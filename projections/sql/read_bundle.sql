-- What the log has of the entries from one number up to and not including another, in order.
-- locks: nothing
-- index: sequence_pkey, then ledger_pkey
-- rows: at most the difference of the two
SELECT
    CASE
        WHEN octet_length(whole.preimage) <= 65535 THEN whole.preimage
        ELSE
            '\x666c6173687469636b65742f6c6f6e672d656e7472792f310a'::bytea
            || uuid_send(ledger.stream_id)
            || int8send(ledger.version)
            || ledger.prev_hash
            || sha256(whole.preimage)
    END AS logged
FROM sequence
INNER JOIN ledger ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
-- OFFSET 0: made once, though it is used more than once.
CROSS JOIN LATERAL (SELECT entry_preimage(ledger) AS preimage OFFSET 0) AS whole
WHERE sequence.seq >= $1 AND sequence.seq < $2
ORDER BY sequence.seq
