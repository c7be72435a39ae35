"""Outermost: HTTP, the command line, settings and access."""
