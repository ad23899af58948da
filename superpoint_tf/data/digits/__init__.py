"""Handwritten digits, enlarged and distorted."""
