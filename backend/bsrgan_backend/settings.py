"""The daemon's settings: one frozen dataclass, read once from file, environment and flags.

Sources in rising order: default, `ROOT/settings.toml`, environment `GIMP_BSRGAN_NAME`, flag. A value that is
not valid never stops the daemon: it becomes a warning and the next lower source counts.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bsrgan_wire import limits, places

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENVIRONMENT_PREFIX = "GIMP_BSRGAN_"
DEVICE_PATTERN = r"((paddle|torch)/)?(auto|cpu|gpu(:[0-9]{1,2})?)"
"""A device, perhaps with the library that is to use it before a slash; without one the setting `engine` counts."""

MODEL_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

Value = str | int | float


@dataclass(frozen=True)
class Rule:
    """What a setting may be: its type, its help, and a range, a pattern that the whole value matches, or a path."""

    kind: type[str] | type[int] | type[float]
    help: str
    low: float = -math.inf
    high: float = math.inf
    pattern: str = ""
    allowed: str = ""
    is_path: bool = False

    def parse(self, value: Any) -> Value:
        """Return `value` (of TOML, or a string of environment and flags) as the setting's type.

        Raises:
            ValueError: it is of another type, out of range, or does not match; the text ends a sentence.
        """
        if self.kind is str:
            if not isinstance(value, str) or not self._fits(value):
                raise ValueError(f"must be {self.allowed}")
            return value
        number = self._number(value)
        if not self.low <= number <= self.high:
            raise ValueError(f"must be {self.range()}")
        return number

    def _fits(self, value: str) -> bool:
        if self.is_path:
            # A relative one would lie wherever the daemon was started, and nobody would find it again.
            return not value or Path(value).is_absolute()
        return not self.pattern or re.fullmatch(self.pattern, value) is not None

    def _number(self, value: Any) -> int | float:
        wanted = "a whole number" if self.kind is int else "a number"
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"must be {wanted}")  # noqa: TRY004 - one kind of error for every bad value
        try:
            number: int | float = int(value) if self.kind is int else float(value)
        except (ValueError, OverflowError):
            raise ValueError(f"must be {wanted}") from None
        if self.kind is int and isinstance(value, float) and value != number:
            raise ValueError(f"must be {wanted}")
        return number

    def range(self) -> str:
        """The allowed values in words."""
        if self.kind is str:
            return self.allowed
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"between {_plain(self.low)} and {_plain(self.high)}"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _text(default: str, help_: str, allowed: str, pattern: str = "") -> Any:
    return field(default=default, metadata={"rule": Rule(str, help_, pattern=pattern, allowed=allowed)})


def _folder(help_: str, allowed: str) -> Any:
    return field(default="", metadata={"rule": Rule(str, help_, allowed=allowed, is_path=True)})


def _whole(default: int, help_: str, low: int, high: int) -> Any:
    return field(default=default, metadata={"rule": Rule(int, help_, low, high)})


def _number(default: float, help_: str, low: float, high: float) -> Any:
    return field(default=default, metadata={"rule": Rule(float, help_, low, high)})


@dataclass(frozen=True)
class Settings:
    """Every setting of the daemon; units are in the names, ranges and help in each field's `rule`."""

    model: str = _text("bsrgan-x4", "model used when a job names none", "a model's id", MODEL_PATTERN)
    device: str = _text("auto", "where the model runs", "auto, cpu, gpu or gpu:N", DEVICE_PATTERN)
    engine: str = _text(
        "auto",
        "library that computes; torch is an extra for cards that paddle does not serve",
        "auto, paddle or torch",
        "auto|paddle|torch",
    )
    threads: int = _whole(0, "CPU threads of the worker; 0 takes all cores", 0, 1024)
    precision: str = _text(
        "auto",
        "arithmetic of the network; fast is what a trial shows to be fastest, auto is fast only where it is worth it",
        "auto, exact or fast",
        "auto|exact|fast",
    )
    tile: int = _whole(0, "longest side of a tile in pixels of the picture; 0 chooses it", 0, limits.SIDE_PX)
    memory_bytes: int = _whole(0, "memory that a job may take; 0 takes what is free", 0, 2**50)
    keep_alive_s: float = _number(
        600.0, "idle time after which the model is unloaded; 0 after each job, -1 never", -1.0, 1e7
    )
    queue_jobs: int = _whole(limits.QUEUE_JOBS, "jobs that may wait; the next one is refused at once", 1, 1024)
    input_px: int = _whole(limits.INPUT_PX, "most pixels of a picture", 1, limits.INPUT_PX)
    output_px: int = _whole(limits.OUTPUT_PX, "most pixels of a result", 1, limits.OUTPUT_PX)
    spool_limit_bytes: int = _whole(
        64 * 2**30, "most disk space that the pixels of all jobs may take together", 2**20, 2**50
    )
    spool_dir: str = _folder("folder for the pixels of running jobs; empty for ROOT/spool", "an absolute path")
    result_ttl_s: float = _number(limits.RESULT_TTL_S, "time after which an unfetched result is dropped", 0.1, 1e6)
    orphan_grace_s: float = _number(
        limits.ORPHAN_GRACE_S, "time that a job without its client goes on before it is cancelled", 0.0, 1e6
    )
    cancel_grace_s: float = _number(5.0, "time that a cancelled job has to stop before the worker is killed", 0.0, 600)
    worker_silence_s: float = _number(60.0, "silence of a working worker after which it is replaced", 0.5, 86_400)
    log_level: str = _text("info", "how much is logged", "debug, info, warning or error", "debug|info|warning|error")
    transport: str = _text(
        "auto", "how clients connect; auto is ipc, on Windows tcp", "auto, ipc or tcp", "auto|ipc|tcp"
    )


RULES: dict[str, Rule] = {f.name: f.metadata["rule"] for f in fields(Settings)}


@dataclass(frozen=True)
class LoadedSettings:
    """Settings and how they came about.

    Attributes:
        settings: the values.
        sources: for each name "default", "file", "environment" or "flag".
        warnings: one sentence for each value or key that was not taken.
    """

    settings: Settings
    sources: dict[str, str]
    warnings: tuple[str, ...] = ()


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, so that a child process gets the same ones whatever their source."""
    return {ENVIRONMENT_PREFIX + name.upper(): str(getattr(settings, name)) for name in RULES}


def spool_folder(settings: Settings, root: Path) -> Path:
    """Where pixels of running jobs lie: a folder of one's own below `spool_dir`, or `ROOT/spool`."""
    return Path(settings.spool_dir) / "gimp-bsrgan-spool" if settings.spool_dir else root / "spool"


def settings_file(root: Path) -> Path:
    """Where the user's settings are, below `root`."""
    return root / "settings.toml"


def load(flags: Mapping[str, str], environ: Mapping[str, str] | None = None) -> LoadedSettings:
    """Read the settings from all sources; never fails.

    Args:
        flags: values of command line flags by setting name; names that are no setting warn.
        environ: the environment, `os.environ` by default; it also decides the root (`places.prefix`).

    Returns:
        The settings, each with its source, and a warning for each value that was refused.
    """
    env = os.environ if environ is None else environ
    warnings: list[str] = []
    path = settings_file(places.prefix(env))
    values: dict[str, Any] = {}
    sources = dict.fromkeys(RULES, "default")
    from_env = {name: env[variable] for name in RULES if (variable := ENVIRONMENT_PREFIX + name.upper()) in env}
    for source, given, told in (
        ("file", _read_file(path, warnings), f"{path.name}: {{name}}"),
        ("environment", from_env, f"{ENVIRONMENT_PREFIX}{{upper}}"),
        ("flag", flags, "flag {name}"),
    ):
        for name, value in given.items():
            label = told.format(name=name, upper=name.upper())
            if name not in RULES:
                warnings.append(f"{label} is not a setting and is ignored.")
                continue
            try:
                values[name] = RULES[name].parse(value)
            except ValueError as error:
                kept = values.get(name, _default(name))
                warnings.append(f"{label} {error}, not {value!r}; {kept!r} ({sources[name]}) is used.")
            else:
                sources[name] = source
    return LoadedSettings(Settings(**values), sources, tuple(warnings))


def _default(name: str) -> Value:
    value: Value = getattr(Settings(), name)
    return value


def _read_file(path: Path, warnings: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        warnings.append(f"{path.name} cannot be read and is ignored: {error}.")
        return {}


def write_setting(root: Path, name: str, value: str) -> Value:
    """Set one setting in `ROOT/settings.toml`; every other line of the file stays as it is.

    Args:
        root: the installation's folder.
        name: a setting's name.
        value: its value as text.

    Returns:
        The value as it was written.

    Raises:
        ValueError: unknown name, invalid value, or a file that is no TOML; the text is one sentence.
        OSError: the file cannot be written.
    """
    if name not in RULES:
        raise ValueError(f"{name} is not a setting.")
    try:
        parsed = RULES[name].parse(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}.") from None
    path = settings_file(root)
    try:
        old = path.read_text("utf-8") if path.exists() else ""
        new = _replaced(old, name, parsed)
        agrees = tomllib.loads(new).get(name) == parsed
    except ValueError:
        agrees = False
    if not agrees:
        raise ValueError(f"{path.name} is not valid TOML; correct or delete it first.")
    _write_atomically(path, new)
    return parsed


def _replaced(old: str, name: str, value: Value) -> str:
    line = f"{name} = {_toml(value)}"
    top, tables = _split_at_first_table(old)
    pattern = re.compile(rf"^[ \t]*{name}[ \t]*=.*$", re.MULTILINE)
    if pattern.search(top):
        return pattern.sub(lambda _: line, top, count=1) + tables
    if top and not top.endswith("\n"):
        top += "\n"
    return f"{top}{line}\n{tables}"


def _split_at_first_table(text: str) -> tuple[str, str]:
    """Settings are top-level keys: what stands under a `[table]` header is not ours."""
    header = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    return (text, "") if header is None else (text[: header.start()], text[header.start() :])


def _toml(value: Value) -> str:
    if not isinstance(value, str):
        return repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{escaped}"'


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".settings-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
