"""The whole path as a show: each act is one file, returns its findings, and prints nothing."""
