"""HTTP: one file per group of routes, and the middleware they share."""
