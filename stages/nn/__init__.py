"""A neural network in NumPy alone: one idea, one module.

A column is an example: X is (features, m), Z and A are (units, m), the labels y are (m,) integers. A layer keeps what
its backward pass needs, and owns the arrays that it returns until its next call. No layer changes an array that it is
given.
"""
