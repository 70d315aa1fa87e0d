"""The one exception that is shown to a person without a traceback."""


class UserMistake(Exception):
    """What is wrong and what to do about it, in one line; the command ends with exit code 2."""
