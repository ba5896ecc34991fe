"""Structures, their labels and their neighbors."""
