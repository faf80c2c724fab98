"""All demonstrations, by the id of the error or the claim in write_ups.yaml."""

from collections.abc import Callable

from stages.claims.demonstrations.bias_gradient import scalar_bias_gradient
from stages.claims.demonstrations.collapse import no_mean, one_sum_for_all, pixels_not_divided
from stages.claims.demonstrations.common import Demonstration, Setup
from stages.claims.demonstrations.derivative_by_bias import derivative_by_bias
from stages.claims.demonstrations.full_batch import spread_of_gradients
from stages.claims.demonstrations.logarithm import logarithm
from stages.claims.demonstrations.one_hot_rows import one_hot_rows
from stages.claims.demonstrations.overflow import softmax_of_whole_maximum, softmax_overflow, tanh_overflow
from stages.claims.demonstrations.plotted_loss import loss_that_is_zero
from stages.claims.demonstrations.rows_and_numbers import rows_and_numbers
from stages.claims.demonstrations.sign_of_the_error import sign_of_the_error
from stages.claims.demonstrations.size_of_weights import size_of_weights
from stages.claims.demonstrations.softmax_by_entry import softmax_by_entry
from stages.claims.demonstrations.sums_of_labels import sums_of_labels
from stages.claims.demonstrations.terms_of_a_sum import terms_of_a_sum

DEMONSTRATIONS: dict[str, Callable[[Setup], Demonstration]] = {
    "E1": scalar_bias_gradient,
    "E2": loss_that_is_zero,
    "E3": softmax_overflow,
    "E4": one_hot_rows,
    "E5": softmax_of_whole_maximum,
    "E6": tanh_overflow,
    "E7": derivative_by_bias,
    "E8": sums_of_labels,
    "E9": sign_of_the_error,
    "E10": logarithm,
    "E11": terms_of_a_sum,
    "E12": softmax_by_entry,
    "E13": spread_of_gradients,
    "W3.3": pixels_not_divided,
    "W3.4": one_sum_for_all,
    "W3.5": no_mean,
    "W3.6": rows_and_numbers,
    "W3.7": size_of_weights,
}
