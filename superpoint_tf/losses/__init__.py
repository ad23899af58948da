"""The losses; each returns sums and counts, which add over replicas and accumulation steps before the division."""
