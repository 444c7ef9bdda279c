"""SQL databases. Shared modules (identifiers, ranges) import no driver."""
