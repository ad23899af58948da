"""Training of the convex descriptor: two convex problems, each solved by dual averaging; no gradient of a network."""
