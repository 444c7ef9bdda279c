"""What single steps cost, by pytest-benchmark."""
