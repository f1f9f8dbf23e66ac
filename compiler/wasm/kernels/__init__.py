"""Code generation for the steps, one kind of kernel a file."""
