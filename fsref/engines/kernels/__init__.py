"""Numba kernels: flat arrays and scalars, no network. A kernel calls only functions of its own file, so that an edit
always renews its cache.
"""
