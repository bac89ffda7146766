"""Several cards: the first worker as ever, and one more for each further card while there is more than it can do.

How many cards there are is known when a worker has loaded its library; the daemon looks for none itself. A card whose
worker fails is left out for a while, with a sentence, and its jobs go to the others.
"""

from __future__ import annotations

from collections.abc import Callable

from bsrgan_backend.daemon.dispatch import Dispatcher
from bsrgan_backend.daemon.jobs import Job
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.workers import WorkerStarter
from bsrgan_backend.settings import Settings

LEFT_OUT_S = 600.0
"""A card that failed is not used for so long: a driver may recover, and a picture may have been to blame."""

_SPREAD = ("auto", "gpu")


class Lane(Dispatcher):
    """The worker of one further card; it never leaves it.

    Args:
        lane: the card, `gpu:N`.
        fleet: decides which jobs it gets, and hears of its failure.
    """

    def __init__(
        self,
        lane: str,
        fleet: Fleet,
        ledger: Ledger,
        settings: Settings,
        starter: WorkerStarter,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(ledger, settings, starter, clock)
        self.lane = lane
        self.crashes = fleet.crashes
        self._fleet = fleet

    def queue(self) -> list[Job]:
        """Jobs for this card, and those for any card while the first worker is busy."""
        return [job for job in self._ledger.jobs.queue() if self._fleet.may_spread(job, self)]

    def retire(self) -> None:
        """Let its worker go; what it still has to do it does first."""
        if self.worker is not None and self.worker.state == "ready":
            self._unload(self.worker)

    def _expected_device(self) -> str:
        return ""

    def _is_on(self, worker: object, device: str) -> bool:  # noqa: ARG002 - its queue holds nothing else
        return True

    def _fail_waiting(self, error: Exception, device: str = "") -> None:  # noqa: ARG002 - the fleet says it better
        self._in_trouble(getattr(error, "text", ""))

    def _in_trouble(self, why: str) -> None:
        self._fleet.leave_out(self.lane, why)


class Fleet(Dispatcher):
    """The first worker and those of further cards behind one face.

    Attributes:
        lanes: the further cards in use.
    """

    def __init__(self, ledger: Ledger, settings: Settings, starter: WorkerStarter, clock: Callable[[], float]) -> None:
        super().__init__(ledger, settings, starter, clock)
        self.lanes: dict[str, Lane] = {}
        self._left_out: dict[str, tuple[float, str]] = {}

    def queue(self) -> list[Job]:
        """Jobs that no further card has to itself."""
        return [job for job in super().queue() if job.device not in self.lanes]

    def may_spread(self, job: Job, lane: Lane) -> bool:
        """Whether a queued job may go to a further card."""
        if job.device == lane.lane:
            return True
        if job.device not in _SPREAD or not self.running() or not self.facts.device.startswith("gpu"):
            return False
        # A preview waits for nobody: the first worker lets it pass at once, another has to load the model first.
        return not job.is_urgent or (lane.worker is not None and lane.facts.model in (job.model or lane.facts.model,))

    def leave_out(self, device: str, why: str) -> None:
        """Use a further card no more for a while.

        Args:
            device: `gpu:N`.
            why: one sentence.
        """
        sentence = f"The card {device} is left out for ten minutes: {why}"
        log.warning("%s", sentence)
        self._left_out[device] = (self._clock() + LEFT_OUT_S, sentence)
        for job in self._ledger.jobs:
            if job.device in _SPREAD and job.state in ("queued", "running"):
                job.add_notes([sentence])
        if device in self.lanes:
            self.lanes[device].retire()

    def cancel(self, job: Job, why: str = "CANCELLED", text: str = "") -> None:
        """As for one worker, at the one that has the job."""
        lane = self.lanes.get(job.lane)
        if lane is None or job.state != "running":
            super().cancel(job, why, text)
        else:
            lane.cancel(job, why, text)

    def wake(self) -> None:
        """Start workers and jobs where there is something to do."""
        self._refuse_what_is_left_out()
        super().wake()
        self._grow()
        for lane in self.lanes.values():
            if lane.lane not in self._left_out:
                lane.wake()

    def _refuse_what_is_left_out(self) -> None:
        now = self._clock()
        self._left_out = {device: out for device, out in self._left_out.items() if out[0] > now}
        for job in super().queue():
            if job.device in self._left_out:
                self._ledger.change(job, "failed", "DEVICE", self._left_out[job.device][1])

    def _grow(self) -> None:
        """Take another card when a job waits that neither the first worker nor a further one can begin."""
        if self.is_closing or self.worker is None or self.worker.state != "ready":
            return
        free = [f"gpu:{n}" for n in range(self.facts.cards) if self._is_free(f"gpu:{n}")]
        idle = sum(not lane.running() for lane in self.lanes.values())
        for job in super().queue():
            if job.device in free:
                self._add(job.device)
                return
        waiting = [job for job in super().queue() if job.device in _SPREAD and not job.is_urgent]
        if free and self.running() and len(waiting) > idle:
            self._add(free[0])

    def _is_free(self, device: str) -> bool:
        return device not in self.lanes and device not in self._left_out and device != self.facts.device

    def _add(self, device: str) -> None:
        log.info("the card %s is used as well", device)
        self.lanes[device] = Lane(device, self, self._ledger, self._settings, self._starter, self._clock)

    def links(self) -> set[int]:
        """What to poll for words of the workers."""
        return {one.worker.link.fileno() for one in self._all() if one.worker is not None}

    def sending(self) -> set[int]:
        """Those of `links` that must also be polled for room."""
        return {
            one.worker.link.fileno() for one in self._all() if one.worker is not None and one.worker.link.is_sending
        }

    def read(self, link: int) -> None:
        """Read from the worker behind one of `links`, and send it what waits."""
        for one in self._all():
            if one.worker is not None and one.worker.link.fileno() == link:
                Dispatcher.on_readable(one)
                return

    def tick(self) -> None:
        """Watch all workers, and drop cards that are no longer in use."""
        super().tick()
        for lane in list(self.lanes.values()):
            lane.tick()
            if lane.is_gone():
                del self.lanes[lane.lane]

    def is_waiting(self) -> bool:
        """As for one worker, of any."""
        return any(Dispatcher.is_waiting(one) for one in self._all())

    def close(self) -> None:
        """Stop all workers."""
        for one in self._all():
            Dispatcher.close(one)

    def is_closed(self) -> bool:
        """Whether no worker process is left."""
        self.tick()
        return all(one.is_gone() for one in self._all())

    def kill(self) -> None:
        """End every worker process at once."""
        for one in self._all():
            Dispatcher.kill(one)

    def _all(self) -> list[Dispatcher]:
        return [self, *self.lanes.values()]
