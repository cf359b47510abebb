"""One run in one file, to be sent: what it holds, how it is made, checked and shown among others."""
