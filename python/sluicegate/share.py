"""`Share`: where a throttler shares its limits with other processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sluicegate._core import check_share, hide_password


@dataclass(frozen=True, repr=False)
class Share:
    """Where limits are shared with other processes, and with which of them.

    All throttlers that name the same store and the same account have one budget together for each
    limit with the scope ``"account"``, in whichever process they are; for the limits with the scope
    ``"address"``, all that name the same address.

    Attributes:
        url: The address of the store. ``"sqlite:////var/lib/bots/budget.db"`` is a file, for the
            processes of one machine. ``"redis://user:password@host:6379/0"`` is a Redis or Valkey
            server, for several machines.
        address: The name of the IP address from which the requests leave: any name that all
            processes behind that address use. The default is ``"default"``.
        account: The name of the account at the exchange: any name that all processes of that
            account use. The default is ``"default"``.
        lease: With a server: for how many seconds a process that cannot reach it goes on with what
            it has, and how long others wait for what a killed process had. From 1 to 3600; the
            default is 10. A file needs no lease.
        arrival: For how many seconds a request that was sent may still be under way. What a killed
            process had stays out of use for so long, and one interval. From 0 to 3600; the default
            is 5.
        on_loss: What happens when the store cannot be reached any more. ``"wait"``, the default and
            the only value: requests go on with what the process has, and then wait.
        conflict: What happens if two processes have different values for the same limit.
            ``"refuse"``, the default: the later one gets a ``ValueError``. ``"smallest"``: the
            smaller limit and the longer interval hold for both.

    Raises:
        ValueError: A value is out of range. The message shows it and says what would be right.
        TypeError: A value has the wrong type.
    """

    url: str
    address: str = "default"
    account: str = "default"
    lease: float = 10.0
    arrival: float = 5.0
    on_loss: Literal["wait"] = "wait"
    conflict: Literal["refuse", "smallest"] = "refuse"

    def __post_init__(self) -> None:
        """Refuses a wrong value where it is written."""
        check_share(self)

    def __repr__(self) -> str:
        """All values; the password of the server is hidden."""
        values = {**vars(self), "url": hide_password(self.url)}
        return f"Share({', '.join(f'{name}={value!r}' for name, value in values.items())})"
