"""The op table: how each operator becomes a step, one family a file."""
