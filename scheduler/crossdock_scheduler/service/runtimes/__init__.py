"""Self-hosted integration runtimes: their auth keys, their nodes, and the state of both."""
