"""Files as sources and sinks: any store, byte for byte or through any format."""
