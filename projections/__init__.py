"""Disposable: everything here can be thrown away and rebuilt from the ledger."""
