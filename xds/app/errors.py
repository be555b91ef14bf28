"""What the command line says in one line, with exit code 2: something that only the user can put right."""


class UserError(Exception):
    """What was asked for cannot be done; the text names what is wrong, and fits in one line."""
