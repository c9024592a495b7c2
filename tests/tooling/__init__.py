"""What `make` runs around the tests: the checks in their order, the tools they need, what they compare."""
