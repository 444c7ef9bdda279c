"""Interactive requests: over a WebSocket that a node has opened, or as a job."""
