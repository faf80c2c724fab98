"""What the functions applied entry by entry have in common, beside what every layer has."""

from typing import Literal

import numpy as np
import pytest

from stages.nn.entrywise import Entrywise
from stages.nn.layer import Start
from stages.nn.layer_table import LAYERS

ENTRYWISE = {name: kind for name, kind in LAYERS.items() if issubclass(kind, Entrywise)}
every_function = pytest.mark.parametrize("kind", ENTRYWISE.values(), ids=ENTRYWISE)


def layer_of(kind: type[Entrywise]) -> Entrywise:
    return kind((4,), Start(np.random.default_rng(0)))


@every_function
def test_the_functions_alone_change_nothing_that_they_are_given(kind: type[Entrywise]) -> None:
    Z, dA = np.array([[-1.0, 2.0]]), np.array([[3.0, -4.0]])
    Z.flags.writeable = dA.flags.writeable = False
    A = kind.function(Z)
    A.flags.writeable = False
    kind.function_backward(A, dA)


@every_function
@pytest.mark.parametrize("order", ["C", "F"])
def test_uses_its_memory_again_and_follows_size_and_order_of_the_batch(
    kind: type[Entrywise], order: Literal["C", "F"]
) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(kind)
    wide, narrow = (np.array(rng.normal(size=(4, m)), order=order) for m in (6, 2))
    A = layer.forward(wide)
    assert layer.forward(wide) is A
    assert layer.backward(wide) is layer.backward(wide)
    assert A.strides == wide.strides
    A, dZ = layer.forward(narrow).copy(), layer.backward(narrow)
    np.testing.assert_array_equal(A, kind.function(narrow))
    kept = narrow if kind.backward_from_input else A
    np.testing.assert_array_equal(dZ, kind.function_backward(kept, narrow))
