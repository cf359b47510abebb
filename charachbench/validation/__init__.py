"""How metrics respond to graded corruptions of true videos, and how sets of few samples bias them."""
