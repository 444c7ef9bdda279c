"""The scheduler: pipelines so far (``pipeline``); the control plane and the node agent come beside them."""
