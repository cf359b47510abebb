"""Readers of files that others may have written, fed with damaged ones (``python -m tests.fuzz``)."""
