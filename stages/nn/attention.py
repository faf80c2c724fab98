"""Multi-head self-attention (Vaswani et al. 2017)."""

import math

import numpy as np

from stages.nn.arrays import Array, reuse
from stages.nn.layer import Count, Layer, OptionError, Shape, Start
from stages.nn.softmax import softmax, softmax_backward


class Attention(Layer):
    """Every token takes a mean of what all tokens of its example offer, by weights that both determine.

    The last entry of an example's shape is the width of a token; what stands before it counts the tokens, so that an
    image is a sequence of its places. Queries, keys and values are affine maps of each token. A head has n'' of their
    entries; with a column a token, C = Kᵀ Q / sqrt(n''), A = softmax(C) and O = V A. Then Z = W_O O + b_O.

    Parameters
    ----------
    shape : tuple of int
        Of an example, at least 2 tokens.
    start : Start
        Draws W of shape (3 width, width) and b of shape (3 width, 1), for queries, keys and values one below the other,
        W_O of shape (width, width) and b_O of shape (width, 1).
    heads : int
        Into how many parts the width is divided, each of which attends on its own.
    """

    decayed = ("W", "W_O")
    example = (2, 3, 6), {"heads": 2}

    def __init__(self, shape: Shape, start: Start, *, heads: Count = 1) -> None:
        self._tokens, self._width = math.prod(shape[:-1]), shape[-1]
        if self._tokens < 2:
            found = " x ".join(map(str, shape))
            raise OptionError("name", f"is attention, which needs several tokens and gets one, of {found} features")
        if self._width % heads:
            fitting = ", ".join(str(each) for each in range(1, self._width + 1) if self._width % each == 0)
            problem = f"attention gets tokens of width {self._width}; what divides it is {fitting}"
            raise OptionError("heads", f"is {heads}: {problem}")
        super().__init__(shape, start)
        self.heads = heads
        self.parameters = start.draw(3 * self._width, self._width, self._width)
        self.parameters |= {f"{name}_O": theta for name, theta in start.draw(self._width, self._width).items()}
        self._scale = (self._width // heads) ** -0.5
        self._X: Array | None = None  # this and the following with a row for each token of each example
        self._QKV: Array | None = None
        self._O: Array | None = None
        self._Z: Array | None = None
        self._dO: Array | None = None
        self._dQKV: Array | None = None
        self._dX: Array | None = None
        self._A: Array | None = None  # (m, heads, tokens, tokens), a column for each query, as its gradients
        self._dA: Array | None = None
        self._dC: Array | None = None

    @property
    def multiply_adds(self) -> int:
        """One for each weight and token, and one for each entry of a token in both products of each pair of tokens."""
        weights = sum(self.parameters[name].size for name in self.decayed)
        return self._tokens * weights + 2 * self._tokens**2 * self._width

    def _by_token(self, A: Array) -> Array:
        """Return A, of shape (features, m), with a row for each token of each example, (m tokens, width)."""
        return A.T.reshape(-1, self._width)

    def _by_example(self, rows: Array) -> Array:
        """Return what `_by_token` was given."""
        return rows.reshape(-1, self._tokens * self._width).T

    def _by_head(self, rows: Array) -> Array:
        """Return rows of tokens as (arrays side by side, m, heads, tokens, entries of a head), a view."""
        m, arrays = len(rows) // self._tokens, rows.shape[1] // self._width
        return rows.reshape(m, self._tokens, arrays, self.heads, -1).transpose(2, 0, 3, 1, 4)

    @property
    def footprint(self) -> int:
        """The numbers of queries, keys, values, weights and the output, before and after W_O."""
        return 5 * super().footprint + self.heads * self._tokens**2

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = W_O O + b_O, of the shape of X, (features, m).

        The queries are divided by sqrt(n''): they have fewer entries than their products with the keys.
        """
        W, b, W_O, b_O = self.parameters.values()
        self._X = self._by_token(X)
        rows, m = len(self._X), X.shape[1]
        self._QKV = reuse(self._QKV, (rows, 3 * self._width), X.dtype)
        np.matmul(self._X, W.T, out=self._QKV)
        self._QKV += b.T
        self._QKV[:, : self._width] *= self._scale
        Q, K, V = self._by_head(self._QKV)
        self._A = reuse(self._A, (m, self.heads, self._tokens, self._tokens), X.dtype)
        softmax(np.matmul(K, Q.swapaxes(2, 3), out=self._A), out=self._A)
        self._O = reuse(self._O, (rows, self._width), X.dtype)
        np.matmul(self._A.swapaxes(2, 3), V, out=self._by_head(self._O)[0])
        self._Z = reuse(self._Z, self._O.shape, X.dtype)
        np.matmul(self._O, W_O.T, out=self._Z)
        self._Z += b_O.T
        return self._by_example(self._Z)

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set the gradients of the parameters, for dZ of shape (features, m); return dX.

        In each head dV = dO Aᵀ and dA = Vᵀ dO, dC is what the softmax passes back of dA, dQ = K dC / sqrt(n'') and
        dK = Q dCᵀ / sqrt(n'').
        """
        assert self._X is not None, "forward comes first"
        assert self._QKV is not None
        assert self._O is not None
        assert self._A is not None
        W, _, W_O, _ = self.parameters.values()
        by_token = self._by_token(dZ)
        self._dO = np.matmul(by_token, W_O, out=reuse(self._dO, self._O.shape, dZ.dtype))
        self._dQKV = reuse(self._dQKV, self._QKV.shape, dZ.dtype)
        (Q, K, V), (dQ, dK, dV), dO = (self._by_head(rows) for rows in (self._QKV, self._dQKV, self._dO))
        np.matmul(self._A, dO[0], out=dV)
        self._dA = np.matmul(V, dO[0].swapaxes(2, 3), out=reuse(self._dA, self._A.shape, dZ.dtype))
        self._dC = softmax_backward(self._A, self._dA, out=reuse(self._dC, self._A.shape, dZ.dtype))
        np.matmul(self._dC.swapaxes(2, 3), K, out=dQ)
        np.matmul(self._dC, Q, out=dK)  # these Q are divided by sqrt(n'') already
        self._dQKV[:, : self._width] *= self._scale
        self._set_gradients(("W", "b"), self._dQKV, self._X, add)
        self._set_gradients(("W_O", "b_O"), by_token, self._O, add)
        if not dX:
            return None
        self._dX = np.matmul(self._dQKV, W, out=reuse(self._dX, self._X.shape, dZ.dtype))
        return self._by_example(self._dX)

    def _set_gradients(self, names: tuple[str, str], dY: Array, X: Array, add: bool) -> None:
        """Set or add the gradients of an affine map of tokens, which are rows here: dYᵀ X and the column sums of dY."""
        by_bias = np.ones((1, len(dY)), dY.dtype) @ dY  # much faster than a sum along an axis
        for name, here in zip(names, (dY.T @ X, by_bias.T), strict=True):
            gradient = self.gradients[name]
            gradient[...] = gradient + here if add else here

    def weights(self) -> Array:
        """Return the weights of the last forward pass, of shape (m, heads, tokens, tokens).

        A row is a query and sums to 1: its entries say how much the token takes from each token. The tokens are in the
        order of the input; those of an image go row by row.
        """
        assert self._A is not None, "forward comes first"
        return self._A.swapaxes(2, 3)
