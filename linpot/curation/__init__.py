"""Looking after data: what is in them, what is wrong with them, and how it is mended."""
