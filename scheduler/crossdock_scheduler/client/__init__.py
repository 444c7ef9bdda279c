"""The service as people and their scripts use it: contexts, requests, deployments, runs that are watched."""
