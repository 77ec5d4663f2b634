"""The published array_record data sets (TFDS): to labelled events and back, without TensorFlow."""
