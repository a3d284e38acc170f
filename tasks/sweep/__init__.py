"""The stages of the shift sweep: data, training, activations, information, worst_case, bounds, report."""
