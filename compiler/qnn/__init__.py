"""Context binaries for Qualcomm's tensor processor, compiled ahead of time: one fresh process for each."""
