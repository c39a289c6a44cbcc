"""What to think of a message: facts and rules in, a verdict with its reasons out. Pure."""
