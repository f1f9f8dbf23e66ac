"""What a compile tells people and programs: tables, a page with plots, data, and proofs in words."""
