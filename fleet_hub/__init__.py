"""Fleet hub: registry, update trust, rollouts, telemetry, audit."""
