"""Doors to other programs: OpenCV, COLMAP, PyTorch checkpoints."""
