"""The encode phase: from IR to the image of a .vbin."""
