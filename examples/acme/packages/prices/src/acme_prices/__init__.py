"""What things cost, and how that is written."""

SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}


def with_tax(cents: int, percent: int = 20) -> int:
    """The price in cents with tax, rounded half up."""
    return (cents * (100 + percent) + 50) // 100


def written(cents: int, currency: str = "EUR") -> str:
    """A price as customers read it, such as `€12.50`."""
    return f"{SIGNS[currency]}{cents // 100}.{cents % 100:02d}"
