"""Figures: the only room that imports a plotting library."""
