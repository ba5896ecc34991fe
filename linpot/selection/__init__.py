"""Choosing structures from a pool: which of them say most that is not known yet."""
