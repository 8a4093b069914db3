"""Screens: the study screen and the windows above it."""
