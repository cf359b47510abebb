"""Dense image features, behind one interface."""
