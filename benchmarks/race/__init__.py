"""What a race chooses, held against every single runtime; and what a kept compiled model saves at a start."""
