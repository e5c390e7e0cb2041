"""What the shop sells."""

import csv
from pathlib import Path

from acme_prices import with_tax, written


def read(directory: Path, currency: str) -> list[dict[str, str]]:
    """Every product of the tables in a directory, sorted by name, with its written price."""
    products = []
    for table in sorted(directory.glob("*.csv")):
        with table.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                price = written(with_tax(int(row["cents"])), currency)
                products.append({"name": row["name"], "kind": table.stem, "price": price})
    return sorted(products, key=lambda product: product["name"])
