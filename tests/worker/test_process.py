"""What the operating system knows about a worker."""

from __future__ import annotations

import logging
import stat

import pytest

from bsrgan_backend.worker import process


@pytest.fixture
def own_logger():
    """The package's logger, put back as it was."""
    logger = logging.getLogger("bsrgan_backend")
    before = (logger.level, logger.propagate, list(logger.handlers))
    yield logger
    for handler in [handler for handler in logger.handlers if handler not in before[2]]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(before[0])
    logger.propagate = before[1]


def test_the_log_is_private(tmp_path, own_logger):
    """The log and its folder are made readable for their owner only."""
    path = tmp_path / "logs" / "worker.log"
    process.log_to(path, "info")
    own_logger.info("hello")
    assert "hello" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_costs_only_the_log(tmp_path, own_logger):
    """A worker without a log file still works."""
    (tmp_path / "logs").write_text("a file, not a folder")
    process.log_to(tmp_path / "logs" / "worker.log", "info")
    assert own_logger.handlers


def test_resident_memory_is_that_of_this_process():
    """A Python with numpy holds more than ten megabytes."""
    assert process.resident_bytes() > 10_000_000
