"""So many requests a minute from one address, and no more."""

import ipaddress
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

_COUNTERS = 1 << 16  # so that no number of addresses takes more memory; two rarely share one


class RateLimit:
    """Counts the requests of each address, in windows of a minute that begin with the first."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, address: str) -> int:
        """Count a request; 0 where it is within the limit, else the whole seconds until the next may come."""
        counter = str(hash(_network(address)) % _COUNTERS)  # Python's hash of a string is salted
        if self._windows.hit(self._limit, counter):
            return 0
        window = self._windows.get_window_stats(self._limit, counter)
        return max(1, math.ceil(window.reset_time - time.time()))


def _network(address: str) -> str:
    """Who has one address of IPv6 has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
