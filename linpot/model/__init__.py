"""What a model is: the protocol, the learned potential, sums, and the registry for files."""
