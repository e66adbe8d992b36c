"""What the farms and jobs of :mod:`dblend.farm` and :mod:`dblend.aio` have in common."""

from __future__ import annotations

from typing import Any

import zmq

from dblend.links import Links
from dblend.operations import Operations

__all__ = ["FarmBase", "JobBase"]


class FarmBase:
    """A connection to a farm."""

    def __init__(self, operations: Operations, context: type[zmq.Context[Any]]) -> None:
        self._operations = operations
        self._links: Links[Any] = Links(context, operations.talk.endpoint)

    @property
    def address(self) -> str:
        """The endpoint, for another ``connect``.

        >>> farm.address
        'ipc:///run/user/1000/dblend/submitters.sock'
        """
        return self._operations.talk.endpoint

    def close(self) -> None:
        """End the connection; the farm goes on without us.

        >>> farm.close()
        """
        self._links.close()


class JobBase:
    """A job's number, and whether two are the same."""

    _farm: FarmBase

    def __init__(self, farm: FarmBase, number: int) -> None:
        self._farm = farm
        self.number = number
        #: Was it there before it was submitted, by the same key?
        self.repeated = False

    def __repr__(self) -> str:
        return f"Job({self.number})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobBase) or type(other) is not type(self):
            return NotImplemented
        return (self._farm.address, self.number) == (other._farm.address, other.number)

    def __hash__(self) -> int:
        return hash((self._farm.address, self.number))

    @property
    def _ops(self) -> Operations:
        return self._farm._operations
