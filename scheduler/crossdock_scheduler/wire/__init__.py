"""Messages between the service and its nodes; neither side's code."""
