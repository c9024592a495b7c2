"""Who pays: SMS accounts, their members, the books and lines of the ledger, rates, packs and orders.

Amounts are whole thousandths of a credit everywhere ("millis"): 1 credit = 1000.
"""

from credits.models.accounts import Account, Member, validate_time_zone
from credits.models.books import Book, Owed, Transfer
from credits.models.letters import Finding, Letter
from credits.models.orders import MOST_CREDITS, Order, Pack, Watch
from credits.models.rates import EARLIEST, MOST_FOR_A_PART, Rate

__all__ = [
    "EARLIEST",
    "MOST_CREDITS",
    "MOST_FOR_A_PART",
    "Account",
    "Book",
    "Finding",
    "Letter",
    "Member",
    "Order",
    "Owed",
    "Pack",
    "Rate",
    "Transfer",
    "Watch",
    "validate_time_zone",
]
