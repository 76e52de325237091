"""Random calls of everything native, each a piece of Python text that depends on a seed and a number alone."""
