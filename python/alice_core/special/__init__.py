"""Special functions, under the names that they have in ``scipy.special``."""

from __future__ import annotations

from ..ops.exponential import erf as erf
from ..ops.exponential import erfc as erfc
from ..ops.exponential import exp2 as exp2
from ..ops.exponential import expm1 as expm1
from ..ops.exponential import log1p as log1p
from ..ops.exponential import xlogy as xlogy
from ..ops.floating import sinc as sinc
from ..ops.logistic import log_sigmoid as log_expit
from ..ops.logistic import sigmoid as expit
from ..ops.softmax import log_softmax as log_softmax
from ..ops.softmax import logsumexp as logsumexp
from ..ops.softmax import softmax as softmax
from .bessel import i0e as i0e
from .bessel import i1e as i1e
from .entropy import entr as entr
from .entropy import rel_entr as rel_entr
from .entropy import xlog1py as xlog1py
from .gamma_functions import betaln as betaln
from .gamma_functions import digamma as digamma
from .gamma_functions import gamma as gamma
from .gamma_functions import gammaln as gammaln
from .gamma_functions import polygamma as polygamma
from .gaussian import erfinv as erfinv
from .gaussian import log_ndtr as log_ndtr
from .gaussian import logit as logit
from .gaussian import ndtri as ndtri

__all__ = [
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gamma",
    "gammaln",
    "i0e",
    "i1e",
    "log1p",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtri",
    "polygamma",
    "rel_entr",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]
