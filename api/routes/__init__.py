"""The HTTP calls, a module per kind of thing they are about."""
