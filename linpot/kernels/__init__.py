"""Compiled arithmetic on plain arrays: no classes of linpot enter here."""
