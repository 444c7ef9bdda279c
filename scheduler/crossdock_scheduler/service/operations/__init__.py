"""What operators see of the service: its health, its figures, its log; and how it stops."""
