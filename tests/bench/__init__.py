"""How fast it is, as ratios to something that does the same in the same process: `make bench`."""
