"""The HTML page: a view of the store that opens from disk."""
