"""Log, metrics and trace ids: how everything explains itself."""
