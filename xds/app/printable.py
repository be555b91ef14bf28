"""Words of strangers on a terminal: what a tenant's Envoy or a backend's certificate says must not steer it. Knows no terminal."""


def printable(text: str) -> str:
    """Return a text with everything replaced that is neither printable nor the end of a line, escape sequences above all."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
