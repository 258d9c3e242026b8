"""Rewrite patterns on the `graph` dialect that always make a module simpler, by what they rewrite."""
