"""Every model on every hardware profile: what compiles, how close to float it is, and what is refused and why."""
