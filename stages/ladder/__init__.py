"""The ladder: the same digits by ever better networks, each one change from the one before."""
