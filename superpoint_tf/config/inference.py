"""What inference may compute in, by the names that trainings have for it; no TensorFlow, so that `--help` reads it."""

FLOAT32, BFLOAT16, AUTO = "float32", "mixed_bfloat16", "auto"
INFERENCE_PRECISIONS = (FLOAT32, BFLOAT16, AUTO)
