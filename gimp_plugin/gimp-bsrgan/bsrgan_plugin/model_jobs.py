"""The models window's thread: asks the daemon about models again and again, and passes orders on. Without gi."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from bsrgan_plugin import connection, outcomes
from bsrgan_wire.client import Client
from bsrgan_wire.errors import RemoteError
from bsrgan_wire.messages import ModelsReport

ASK_INTERVAL_S = 0.5
RETRY_INTERVAL_S = 2.0
"""How long nobody looks for a daemon that cannot be asked, unless there is an order."""

Order = Callable[[Client], ModelsReport]


class ModelJobs:
    """Follows the daemon while the window is open; a transfer goes on without it."""

    def __init__(self, endpoint: str, tell: Callable[[ModelsReport | None, str], None]) -> None:
        """Prepare the thread; `start` begins it.

        Args:
            endpoint: as in the procedure.
            tell: called in the thread with a report (None when there is none) and one sentence about what went
                wrong, empty when nothing did.
        """
        self._endpoint = endpoint
        self._tell = tell
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def get(self, model: str) -> None:
        """Have a published model fetched."""
        self._orders.put(lambda client: client.get_model(model))

    def add(self, path: str) -> None:
        """Have the weights in a file added."""
        self._orders.put(lambda client: client.add_model(path))

    def cancel(self) -> None:
        """End the transfer that is under way."""
        self._orders.put(lambda client: client.stop_model())

    def stop(self) -> None:
        """End the thread as soon as the daemon has answered it; nobody waits for that."""
        self._is_stopped.set()
        self._orders.put(None)

    # --- the thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        order: Order | None = None
        while not self._is_stopped.is_set():
            try:
                with connection.open_client(self._endpoint, idle=self._check) as client:
                    self._follow(client, order)
            except outcomes.Cancelled:
                return
            except Exception as error:  # noqa: BLE001 - the thread's boundary: any failure becomes a sentence
                self._say(None, outcomes.of_error(error).text)
            order = self._next(RETRY_INTERVAL_S)

    def _follow(self, client: Client, order: Order | None) -> None:
        while not self._is_stopped.is_set():
            problem = ""
            try:
                report = order(client) if order is not None else client.models()
            except RemoteError as error:
                # The daemon refuses the order; the list is there all the same.
                problem = outcomes.of_error(error).text
                report = client.models()
            self._say(report, problem)
            order = self._next(ASK_INTERVAL_S)

    def _next(self, patience_s: float) -> Order | None:
        try:
            return self._orders.get(timeout=patience_s)
        except queue.Empty:
            return None

    def _check(self) -> None:
        if self._is_stopped.is_set():
            raise outcomes.Cancelled

    def _say(self, report: ModelsReport | None, problem: str) -> None:
        if not self._is_stopped.is_set():
            self._tell(report, problem)
