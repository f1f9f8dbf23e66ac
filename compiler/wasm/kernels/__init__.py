"""Code generation for the steps, one kind of kernel a file.

Here are kernels for any dtype and shape, by loops over layouts; ``f32``, ``int8`` and ``recurrent`` have those that are
tuned for one kind of layer.
"""
