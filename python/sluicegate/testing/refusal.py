"""`RefusedError`: the errors that Binance answers with a code and a message."""


class RefusedError(Exception):
    """Raise it in a handler to answer an error as Binance does.

    Codes and messages of this stand-in are those of Binance's documentation, "Error codes".

    Args:
        code: Binance's code, such as -1121.
        message: Binance's text for it.
        status: Status of the answer.
    """

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        """An error that is not answered yet."""
        super().__init__(f"{status}: {message} ({code})")
        self.code = code
        self.message = message
        self.status = status


def invalid_symbol() -> RefusedError:
    """A symbol that does not trade."""
    return RefusedError(-1121, "Invalid symbol.")


def invalid_interval() -> RefusedError:
    """An interval that there are no candles of."""
    return RefusedError(-1120, "Invalid interval.")


def illegal_characters(parameter: str, legal: str) -> RefusedError:
    """A parameter that cannot be read, and what would be right."""
    message = f"Illegal characters found in parameter '{parameter}'; legal range is '{legal}'."
    return RefusedError(-1100, message)


def empty(parameter: str) -> RefusedError:
    """A parameter that holds nothing."""
    return RefusedError(-1105, f"Parameter '{parameter}' was empty.")


def malformed(parameter: str) -> RefusedError:
    """A parameter that is not there, or in a body that cannot be read."""
    message = f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."
    return RefusedError(-1102, message)


def bad_combination() -> RefusedError:
    """Parameters that exclude each other."""
    return RefusedError(-1128, "Combination of optional parameters invalid.")
