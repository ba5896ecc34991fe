"""Pure mathematics: which functions a potential is made of, frozen into programs of arrays."""
