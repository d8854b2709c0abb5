"""The figures mean what they are called."""

import numpy as np
import pytest

from qa_bot.metrics import (
    auroc,
    contains,
    exact_match,
    expected_calibration_error,
    f1,
    interval,
    platt,
    reliability,
    risk_coverage,
)


def test_answers_are_compared_as_squad_compares_them() -> None:
    assert exact_match("The Lamp!", ["a lamp"]) == 1 and exact_match("lamps", ["lamp"]) == 0
    assert f1("the green lamp", ["a lamp"]) == pytest.approx(2 / 3)
    assert f1("green", ["lamp", "green river", "the green"]) == 1 and f1("", ["lamp"]) == 0
    assert contains("It was one of 76 countries.", ["76 countries"])
    assert not contains("It was one of 176 countries.", ["76 countries"]) and not contains("x", ["the"])


def test_auroc_is_the_share_of_pairs_in_order_with_ties_half() -> None:
    scores, positive = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert auroc(scores, positive) == pytest.approx(3.5 / 4)
    assert auroc(-scores, positive) == pytest.approx(0.5 / 4)
    assert np.isnan(auroc(scores, np.ones(4, dtype=bool)))


def test_risk_and_reliability_are_counted_from_the_best_score_and_from_the_worst() -> None:
    scores, right = np.array([0.2, 0.9, 0.6, 0.4]), np.array([False, True, True, True])
    coverage, risk = risk_coverage(scores, right)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1] and risk.tolist() == [0, 0, 0, 0.25]
    assert reliability(scores, right, bins=2) == [(pytest.approx(0.3), 0.5, 2), (0.75, 1.0, 2)]
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([False, True])) == 1


def test_the_interval_holds_the_value_and_is_always_the_same() -> None:
    values = np.arange(100) % 2
    low, high = interval(lambda rows: float(values[rows].mean()), 100)
    assert 0.38 < low < 0.5 < high < 0.62
    assert interval(lambda rows: float(values[rows].mean()), 100) == (low, high)


def test_platt_finds_the_slope_and_bias_that_made_the_data() -> None:
    random = np.random.default_rng(3)
    evidence = random.normal(0, 2, 20_000)
    right = random.random(20_000) < 1 / (1 + np.exp(-(1.5 * evidence - 0.7)))
    assert platt(evidence, right) == pytest.approx((1.5, -0.7), abs=0.08)
    slope, bias = platt(np.array([-1.0, 1.0]), np.array([False, True]))  # separable: still finite
    assert 0 < slope < 5 and abs(bias) < 1e-6
