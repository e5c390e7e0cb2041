import unittest
from pathlib import Path

DIST = Path(__file__).parents[1] / "dist"


class TestShop(unittest.TestCase):
    def test_every_product_has_a_price_and_a_button(self):
        page = (DIST / "index.html").read_text(encoding="utf-8")
        self.assertEqual(page.count("<button>Add</button>"), page.count("<li>"))
        self.assertIn("Rocket skates", page)

    def test_the_page_comes_with_its_script(self):
        page = (DIST / "index.html").read_text(encoding="utf-8")
        self.assertIn('src="widgets.js"', page)
        self.assertIn("acme.add", (DIST / "widgets.js").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
