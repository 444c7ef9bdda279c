"""The scheduler: the control plane and the node agent. Nothing is here yet."""
