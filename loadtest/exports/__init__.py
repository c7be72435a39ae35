"""Exports of any size, and how fast they are verified: beside a bare hash loop and another replay.

Written from docs/formats and sharing no code with what is measured.
"""
