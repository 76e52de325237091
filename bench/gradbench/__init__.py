"""The twelve evals of GradBench (https://github.com/gradbench/gradbench), written from their published definitions.

A module an eval. Each has

    SIZES        the two sizes that are measured, by what the tables call them
    TINY         the sizes that the tests take
    inputs       the arrays of a size, in NumPy
    derivative   what is measured, over the names of a ``Library``: the same body for us and for the peers
    reference    the same derivative another way, in NumPy

and beside it, in C++, the derivative as one writes it by hand. ``suite.py`` makes rows of them. All is float64; where
the suite has data files, arrays of their shapes are drawn here.
"""
