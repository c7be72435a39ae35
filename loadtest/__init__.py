"""Load, and the proof that follows it: flash sale, bench, yardsticks and the auditor.

Nothing here shares code with what it measures: the auditor reads replies, tables and HTTP answers,
and imports neither `ledger` nor `projections`.
"""
