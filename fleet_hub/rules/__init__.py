"""Decisions without I/O: rollouts, enrolment, roles, audit, telemetry, admission."""
