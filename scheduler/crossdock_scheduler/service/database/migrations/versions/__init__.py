"""The steps; ``down_revision`` of each names the one before."""
