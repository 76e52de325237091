"""Linear algebra: factorisations, systems, spectra, norms, with derivatives of every order.

Names and keywords are those of the Array API standard and of NumPy and SciPy. All functions take batches: matrices are
the last two axes. OpenBLAS does the work, on one thread each, batches are divided among the threads of the pool, and
matrices of up to 16 rows are factorised side by side in the lanes of vectors: the bits do not depend on the number of
threads, nor on what else is in the batch.
"""

from __future__ import annotations

from ..errors import LinAlgError
from ..ops.diagonals import diagonal
from ..ops.linalg import matmul, outer, tensordot, vecdot
from ..ops.views import matrix_transpose
from .definite import cho_solve, cholesky
from .factors import LUResult, QRResult, lu, qr
from .functions import PolarResult, funm, logm, polar, sqrtm
from .norms import cond, matrix_norm, norm, vector_norm
from .powers import expm, matrix_power
from .products import cross, kron, multi_dot, trace
from .pseudoinverse import LstsqResult, lstsq, matrix_rank, pinv
from .singular import SVDResult, svd, svdvals
from .spectral import EighResult, EigResult, eig, eigh, eigvals, eigvalsh
from .systems import SlogdetResult, det, inv, slogdet, solve
from .triangular import solve_triangular

__all__ = [
    "EigResult",
    "EighResult",
    "LUResult",
    "LinAlgError",
    "LstsqResult",
    "PolarResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cho_solve",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "funm",
    "inv",
    "kron",
    "logm",
    "lstsq",
    "lu",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "polar",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
