"""The path from data to a potential and to its errors."""
