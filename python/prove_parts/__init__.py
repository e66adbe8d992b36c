"""The modules of prove.py: looking at, proving and publishing pictures."""
