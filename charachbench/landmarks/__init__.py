"""68 facial landmarks: topology, detectors, drawing."""
