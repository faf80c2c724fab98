"""The pipeline: a module for each stage, and the few that they share."""
