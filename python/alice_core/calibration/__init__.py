"""Are the scores of a classifier probabilities? Measures, a remedy, and decisions that need them to be.

A classifier is calibrated if of all answers with confidence .8 four in five are right. :func:`reliability_curve` and
:func:`expected_calibration_error` measure that, :class:`TemperatureScaling` mends it, :func:`cost_sensitive_decision`
uses it, and :class:`ConformalClassifier` does without.

Source: notes, section 4.3.3, with errata E-23 to E-25.
"""

from __future__ import annotations

from .decisions import ConformalClassifier, cost_sensitive_decision
from .reliability import ReliabilityCurve, expected_calibration_error, reliability_curve
from .temperature import TemperatureScaling

__all__ = [
    "ConformalClassifier",
    "ReliabilityCurve",
    "TemperatureScaling",
    "cost_sensitive_decision",
    "expected_calibration_error",
    "reliability_curve",
]
