"""Trained networks as files that other runtimes load: SavedModel, TFLite and ONNX."""
