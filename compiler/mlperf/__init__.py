"""The scenarios of MLPerf Inference for one variant: rules and statistics apart from the loops that keep the time."""
