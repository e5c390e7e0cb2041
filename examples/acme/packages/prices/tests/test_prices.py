import unittest

from acme_prices import with_tax, written


class TestPrices(unittest.TestCase):
    def test_tax_is_rounded_half_up(self):
        self.assertEqual(with_tax(1250), 1500)
        self.assertEqual(with_tax(3, percent=50), 5)

    def test_a_price_has_two_decimals(self):
        self.assertEqual(written(1205), "€12.05")
        self.assertEqual(written(99, "USD"), "$0.99")


if __name__ == "__main__":
    unittest.main()
