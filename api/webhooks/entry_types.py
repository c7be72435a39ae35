"""What entries are called outside, as types of CloudEvents."""

import re
from typing import Final, get_args

from ledger.entries import Entry

_PREFIX: Final = "com.flashticket."


def type_of(entry_name: str) -> str:
    """The CloudEvents type of an entry type, such as ``com.flashticket.seats-booked``."""
    return _PREFIX + re.sub(r"(?<!^)(?=[A-Z])", "-", entry_name).lower()


ENTRY_OF_TYPE: Final[dict[str, str]] = {
    type_of(each.__name__): each.__name__ for each in get_args(Entry)
}
"""Every type that can be asked for, and what the entry is called in the ledger."""
