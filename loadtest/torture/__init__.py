"""Torture: a seeded crowd that uses every command while servers are killed, frozen and cut off.

`clients` and `workload` ask over HTTP and write down what they asked and were told (`history`).
`faults` break the servers of a `stage` meanwhile. After each round `audit` holds that history
against the rows of the ledger, by `rules` of its own: it shares no code with what it judges.
"""
