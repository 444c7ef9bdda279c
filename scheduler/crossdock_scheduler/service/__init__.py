"""The control plane: Data Factory's REST API over a relational database."""
