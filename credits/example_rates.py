"""The example rates that an installation may begin with (credits/example_rates.csv), to be replaced by its own.

They are plausible, not anybody's prices: 1 credit for a part to metropolitan France, and every other region beside
it as operators' prices usually stand to each other.
"""

import csv
from pathlib import Path

from credits.amounts import read_credits

FILE = Path(__file__).with_name("example_rates.csv")


def read() -> dict[str, int]:
    """The example of each region that has telephone numbers, in millis."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {row["region"]: read_credits(row["credits"]) for row in csv.DictReader(lines)}
