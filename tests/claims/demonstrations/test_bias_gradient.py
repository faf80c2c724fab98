import pytest

from stages.claims.demonstrations.bias_gradient import scalar_bias_gradient
from stages.claims.demonstrations.common import Setup


def test_the_scalar_bias_gradient_leaves_output_biases_where_they_began(setup: Setup) -> None:
    found = scalar_bias_gradient(setup)
    assert found.with_it["relative error of db2"] == pytest.approx(1)
    assert str(found.with_it["largest change of an output bias"]).startswith("less than")
    assert float(found.without["largest change of an output bias"]) > 0.01
