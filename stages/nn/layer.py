"""What all layers have in common: the protocol, and what a layer begins with."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stages.nn.arrays import Array
from stages.nn.initializers import He, Initializer

Shape = tuple[int, ...]  # of one example: (784,), or (height, width, channels)
Path = tuple[int, ...]  # where a layer is in a network: (2, 0) is the first layer of the network at index 2

# What options of layers may be; the schema of params.yaml is made from these.
Count = Annotated[int, "at least 1"]
Margin = Annotated[int, "at least 0"]
Share = Annotated[float, "at least 0 and below 1"]
Extent = Annotated[float, "at least 0"]
SmallNumber = Annotated[float, "at least 1e-12 and at most 1"]  # none that single precision takes for 0


class OptionError(ValueError):
    """An option of a layer does not fit what the layer is given.

    Parameters
    ----------
    option : str
        Its name; of a layer in a network the path to it, such as layers.2.size.
    problem : str
        Its value, and what is allowed.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option} {problem}")
        self.option, self.problem = option, problem


@dataclass(frozen=True)
class Start:
    """What a layer begins with.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the parameters.
    initializer : Initializer
        Gives the distribution of weights and biases.
    dtype : dtype
        float32 or float64; drawn is always in float64, so that both begin with the same values up to rounding.
    classes : int, optional
        How many classes the data has.
    """

    rng: np.random.Generator
    initializer: Initializer = field(default_factory=He)
    dtype: DTypeLike = np.float32
    classes: int | None = None

    def draw(self, units: int, inputs: int, outputs: int | None = None) -> dict[str, Array]:
        """Return the parameters W of shape (units, inputs) and b of shape (units, 1) of an affine map.

        Parameters
        ----------
        units, inputs : int
            Shape of W.
        outputs : int, optional
            How many weights an entry of the input has; `units` unless weights are shared.
        """
        W, b = self.initializer(units, inputs, self.rng, outputs)
        return {"W": W.astype(self.dtype), "b": b.astype(self.dtype)}

    def fill(self, value: float, shape: Shape) -> Array:
        """Return an array of this shape with one value everywhere."""
        return np.full(shape, value, self.dtype)


@dataclass(frozen=True)
class Outline(Start):
    """A start that draws nothing and takes no memory: for the names and shapes of the parameters alone."""

    def draw(self, units: int, inputs: int, outputs: int | None = None) -> dict[str, Array]:
        """Return parameters of the right shapes, all of whose entries are one and the same."""
        zero: Array = np.zeros((), self.dtype)
        return {"W": np.broadcast_to(zero, (units, inputs)), "b": np.broadcast_to(zero, (units, 1))}

    def fill(self, value: float, shape: Shape) -> Array:
        """Return an array of this shape whose entries are one and the same."""
        return np.broadcast_to(np.asarray(value, self.dtype), shape)


class Layer(ABC):
    """A function of a batch, with parameters that can be learned.

    A column of its input X and of its output Y is an example. What a constructor takes beside the two arguments here,
    by keyword alone, are the layer's options in params.yaml. The arrays that a layer returns are its own until its next
    call; it changes none that it is given.

    Parameters
    ----------
    shape : tuple of int
        Of an example of its input.
    start : Start
        What it begins with.

    Attributes
    ----------
    input_shape : tuple of int
        Of an example of its input.
    shape : tuple of int
        Of an example of its output; that of the input unless a layer sets another.
    parameters : dict of str to ndarray
        What is learned, by name; none unless a layer sets it.
    state : dict of str to ndarray
        What is kept from batch to batch and saved, but not learned, by names that no parameter has; none unless set.
    decayed : collection of str
        Names of the parameters that weight decay applies to.
    least_columns : int
        How many columns must go forward together in training; 1 unless a layer mixes them.
    makes : str
        What computes one entry of its output, or one channel, from many of its input: "unit" or "filter"; empty for
        layers that make no features of their own.
    refines : bool
        Whether it finishes what the layer before it made, entry by entry or channel by channel, as an activation does:
        who looks at that layer then looks at the output of this one.
    example : tuple of a shape and a dict
        A shape of its input and options for it, which the tests and the site show it with.
    """

    decayed: Collection[str] = ()
    least_columns: int = 1
    makes: ClassVar[str] = ""
    refines: ClassVar[bool] = False
    example: ClassVar[tuple[Shape, dict[str, Any]]] = (6,), {}

    def __init__(self, shape: Shape, start: Start) -> None:
        self.input_shape = self.shape = shape
        self.parameters: dict[str, Array] = {}
        self.state: dict[str, Array] = {}

    @cached_property
    def gradients(self) -> dict[str, Array]:
        """The gradients of the loss by the parameters, by their names; set by `backward`."""
        return {name: np.zeros_like(theta) for name, theta in self.parameters.items()}

    @property
    def kept(self) -> dict[str, Array]:
        """All that a file must keep of it: parameters and state."""
        return {**self.parameters, **self.state}

    @property
    def footprint(self) -> int:
        """How many numbers it keeps of a column on the way forward: those of its output, unless it says otherwise."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """How many entries the parameters have."""
        return sum(theta.size for theta in self.parameters.values())

    @property
    def multiply_adds(self) -> int:
        """How many products of two entries its forward pass adds up for an example: those of matrix products alone."""
        return 0

    def bind(self, parameters: Array, gradients: Array) -> None:
        """Move the parameters and the gradients into these arrays, of shape (size,), one after the other.

        An optimizer's step is then a few operations on one array, however many layers there are.
        """
        stop = 0
        for name, theta in self.parameters.items():
            start, stop = stop, stop + theta.size
            for held, array in ((self.parameters, parameters), (self.gradients, gradients)):
                view = array[start:stop].reshape(theta.shape)
                view[...] = held[name]
                held[name] = view

    @abstractmethod
    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Y, an example a column, for X of shape (features, m).

        Parameters
        ----------
        X : ndarray of shape (features, m)
            Examples.
        rng : numpy.random.Generator, optional
            In training, what is drawn is drawn from it. None is prediction: nothing is drawn.
        """

    @abstractmethod
    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set the gradients, for dY by the output of the last forward pass; return dX by its input.

        Parameters
        ----------
        dY : ndarray of the shape of Y
            Gradient of the loss by the output.
        add : bool
            Add to the gradients that are there: parts of a batch add up to the batch.
        dX : bool
            Whether the gradient by the input is wanted; without it, None is returned.
        """

    def branches(self) -> list[NDArray[Any]]:
        """Return on which side of each kink the last forward pass was, for the gradient check."""
        return []

    def pictures(self) -> Array | None:
        """Return what of its parameters is to be looked at, of shape (pictures, height, width, channels), if anything.

        Each belongs to one unit of its output, or to one channel of it.
        """
        return None

    def weights(self) -> Array | None:
        """Return how much each place took from each place in the last forward pass, if it is a layer that attends.

        The shape is (m, heads, places, places), a row for each place that takes; its entries sum to 1.
        """
        return None

    def walk(self, X: Array) -> Iterator[tuple[Path, "Layer", Array]]:
        """Go forward in prediction, for X of shape (features, m); yield each layer inside, then this one.

        Yields
        ------
        tuple of a path, a Layer and an ndarray
            Where the layer is, itself, and its output, which is its own until it is called again.
        """
        yield (), self, self.forward(X)

    def replica(self) -> Self:
        """Return a layer that shares the parameters, and has gradients, memory and state of its own."""
        return copy.deepcopy(self, {id(theta): theta for theta in self.parameters.values()})


Maker = Callable[[Shape, Start], Layer]  # a constructor with its options
