import json
import tempfile
import unittest
from pathlib import Path

from acme_catalogue import read

BUILT = Path(__file__).parents[1] / "dist" / "catalogue.json"


class TestCatalogue(unittest.TestCase):
    def test_products_are_sorted_and_priced_with_tax(self):
        with tempfile.TemporaryDirectory() as name:
            table = Path(name) / "things.csv"
            table.write_text("name,cents\nThumb,100\nAnt,5\n", encoding="utf-8")
            products = read(Path(name), "EUR")
        self.assertEqual([product["name"] for product in products], ["Ant", "Thumb"])
        self.assertEqual(products[1], {"name": "Thumb", "kind": "things", "price": "€1.20"})

    def test_the_built_catalogue_holds_every_table(self):
        kinds = {product["kind"] for product in json.loads(BUILT.read_text(encoding="utf-8"))}
        self.assertEqual(kinds, {"food", "tools"})


if __name__ == "__main__":
    unittest.main()
