"""From a config and what lies on disk to a training task, a module a kind of data."""
