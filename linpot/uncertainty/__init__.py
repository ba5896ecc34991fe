"""How sure a linear potential is, and where it ends."""
