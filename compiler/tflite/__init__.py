"""A graph as a TFLite flatbuffer: written directly, without TensorFlow and without its converter."""
