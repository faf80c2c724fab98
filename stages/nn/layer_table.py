"""The layers by the names that they have in params.yaml: the only place that knows all of them."""

from stages.nn.affine import Affine
from stages.nn.attention import Attention
from stages.nn.average_pooling import AveragePooling
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.convolution import Convolution
from stages.nn.dropout import Dropout
from stages.nn.gelu import GELU
from stages.nn.layer import Layer
from stages.nn.layer_normalization import LayerNormalization
from stages.nn.max_pooling import MaxPooling
from stages.nn.positions import Positions
from stages.nn.relu import ReLU
from stages.nn.residual import Residual
from stages.nn.sigmoid import Sigmoid
from stages.nn.tanh import Tanh

LAYERS: dict[str, type[Layer]] = {
    "affine": Affine,
    "relu": ReLU,
    "gelu": GELU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "dropout": Dropout,
    "convolution": Convolution,
    "max_pooling": MaxPooling,
    "average_pooling": AveragePooling,
    "residual": Residual,
    "batch_normalization": BatchNormalization,
    "layer_normalization": LayerNormalization,
    "positions": Positions,
    "attention": Attention,
}
