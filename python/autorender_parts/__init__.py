"""The modules of autorender.py; nothing here is for use outside Blender."""
