"""State: tables, the single writer, and one file of statements per noun."""
