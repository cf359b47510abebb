"""Leaderboards: tables as queries over the stored scores."""
