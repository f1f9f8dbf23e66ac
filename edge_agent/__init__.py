"""Edge agent: pulls, verifies, re-proves, serves, caches, reports."""
