"""FaceShot's landmark front end: appearance gallery, landmark matching, coordinate-based retargeting.

Reference: Gao et al., "FaceShot: Bring Any Character into Life", ICLR 2025, arXiv 2503.00740.
"""
