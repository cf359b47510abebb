"""MOFA-Video's landmark variant, natively on diffusers: sparse landmark motion to dense flow to video.

Niu et al., "MOFA-Video: Controllable Image Animation via Generative Motion Field Adaptions in Frozen Image-to-Video
Diffusion Model", ECCV 2024; the published row of FaceShot (ICLR 2025) is its landmarks rendered by this network.
"""
