"""What an operator is told when an operation cannot be done; nothing was changed then."""


class OperationError(Exception):
    """The sentence is for the person who asked, and says what to do instead where it can."""
