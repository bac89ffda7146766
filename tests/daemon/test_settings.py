"""Settings: defaults, sources in order, refused values, and writing one without touching the rest."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bsrgan_backend import settings
from bsrgan_backend.settings import RULES, Settings, environment, load, spool_folder, write_setting


def environ(root, **variables):
    """An environment with this root and nothing else of this machine."""
    return {"GIMP_BSRGAN_PREFIX": str(root), **variables}


def test_each_setting_is_described_and_its_default_is_valid():
    """Every setting has help, a range in words, and a default that its own rule accepts."""
    assert set(RULES) == {f.name for f in fields(Settings)}
    for name, rule in RULES.items():
        default = getattr(Settings(), name)
        assert rule.help, name
        assert rule.range(), name
        assert rule.parse(default) == default, name
        assert rule.parse(str(default)) == default, name
        assert type(default) is rule.kind, name


def test_without_sources_the_defaults_hold(tmp_path):
    """No file, variable or flag gives the defaults, each with that source."""
    loaded = load({}, environ(tmp_path))
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.warnings == ()


def test_a_higher_source_wins(tmp_path):
    """A flag beats the environment, which beats the file, which beats the default."""
    (tmp_path / "settings.toml").write_text('threads = 1\nqueue_jobs = 2\nkeep_alive_s = 3\ndevice = "cpu"\n')
    env = environ(tmp_path, GIMP_BSRGAN_THREADS="4", GIMP_BSRGAN_QUEUE_JOBS="5")
    loaded = load({"threads": "6"}, env)
    assert (loaded.settings.threads, loaded.sources["threads"]) == (6, "flag")
    assert (loaded.settings.queue_jobs, loaded.sources["queue_jobs"]) == (5, "environment")
    assert (loaded.settings.keep_alive_s, loaded.sources["keep_alive_s"]) == (3.0, "file")
    assert (loaded.settings.device, loaded.sources["device"]) == ("cpu", "file")
    assert (loaded.settings.log_level, loaded.sources["log_level"]) == ("info", "default")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", "many"),
        ("threads", "-1"),
        ("threads", "1.5"),
        ("queue_jobs", "0"),
        ("keep_alive_s", "-2"),
        ("keep_alive_s", "nan"),
        ("keep_alive_s", ""),
        ("device", "tpu"),
        ("device", "gpu:x"),
        ("model", "../evil"),
        ("model", ""),
        ("log_level", "INFO"),
        ("transport", "http"),
        ("input_px", "999999999999999999999999"),
        ("spool_limit_bytes", "1e400"),
        ("spool_dir", "rel"),
        ("spool_dir", "./rel"),
        ("spool_dir", "~/rel"),
        ("spool_dir", " "),
    ],
)
def test_an_invalid_value_warns_and_the_lower_source_counts(tmp_path, name, value):
    """A value out of its range is named in one sentence, and the value below it is used."""
    loaded = load({}, environ(tmp_path, **{f"GIMP_BSRGAN_{name.upper()}": value}))
    assert loaded.settings == Settings()
    assert loaded.sources[name] == "default"
    (warning,) = loaded.warnings
    assert f"GIMP_BSRGAN_{name.upper()} must be" in warning
    assert repr(value) in warning
    assert warning.endswith(".")


@pytest.mark.parametrize(
    "line", ["threads = true", 'threads = "x"', "threads = [1]", "threads = 1.5", "device = 3", "spool_dir = 3"]
)
def test_a_file_value_of_another_type_warns(tmp_path, line):
    """TOML types that are not the setting's are refused, true is not 1."""
    (tmp_path / "settings.toml").write_text(line)
    loaded = load({}, environ(tmp_path))
    assert loaded.settings == Settings()
    assert len(loaded.warnings) == 1


def test_an_invalid_flag_falls_back_to_the_file(tmp_path):
    """The next lower source is used, not the default."""
    (tmp_path / "settings.toml").write_text("threads = 2")
    loaded = load({"threads": "x"}, environ(tmp_path))
    assert (loaded.settings.threads, loaded.sources["threads"]) == (2, "file")
    assert "2 (file) is used" in loaded.warnings[0]


def test_unknown_keys_and_flags_warn(tmp_path):
    """A misspelt setting is told instead of silently doing nothing."""
    (tmp_path / "settings.toml").write_text("treads = 2\n[other]\na = 1\n")
    loaded = load({"qeue": "1"}, environ(tmp_path))
    assert [w.split(" is not")[0] for w in loaded.warnings] == [
        "settings.toml: treads",
        "settings.toml: other",
        "flag qeue",
    ]


@pytest.mark.parametrize("content", [b"threads = ", b"\xff\xfe", b"a" * 10])
def test_a_broken_file_warns_and_is_ignored(tmp_path, content):
    """A file that is no TOML never stops the daemon."""
    (tmp_path / "settings.toml").write_bytes(content)
    loaded = load({}, environ(tmp_path))
    assert loaded.settings == Settings()
    assert loaded.warnings[0].startswith("settings.toml cannot be read and is ignored")


def test_a_folder_in_the_files_place_warns(tmp_path):
    """Whatever lies there, loading does not fail."""
    (tmp_path / "settings.toml").mkdir()
    assert len(load({}, environ(tmp_path)).warnings) == 1


def test_writing_keeps_every_other_line(tmp_path):
    """Only the setting's own line changes; comments, order and tables stay."""
    path = settings.settings_file(tmp_path)
    path.write_text('# mine\nthreads = 2 # two\nmodel = "a"\n\n[future]\nthreads = 9\n')
    assert write_setting(tmp_path, "threads", "3") == 3
    assert path.read_text() == '# mine\nthreads = 3\nmodel = "a"\n\n[future]\nthreads = 9\n'
    assert write_setting(tmp_path, "device", "cpu") == "cpu"
    assert path.read_text() == '# mine\nthreads = 3\nmodel = "a"\n\ndevice = "cpu"\n[future]\nthreads = 9\n'
    assert load({}, environ(tmp_path)).settings.device == "cpu"


@pytest.mark.parametrize("value", ["", "/tmp/a b", '/tmp/C:\\x "y"', "/tmp/\u00fc\u4e16\t\x7f"])
def test_written_text_reads_back(tmp_path, value):
    """Backslashes, quotes, control and non-ASCII characters survive the file."""
    write_setting(tmp_path / "new", "spool_dir", value)
    assert load({}, environ(tmp_path / "new")).settings.spool_dir == value


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("nope", "1", "nope is not a setting."),
        ("threads", "x", "threads must be a whole number."),
        ("spool_dir", "rel", "spool_dir must be an absolute path."),
    ],
)
def test_writing_refuses_what_loading_would(tmp_path, name, value, sentence):
    """An unknown name or a bad value is one sentence, and no file is made."""
    with pytest.raises(ValueError, match=sentence):
        write_setting(tmp_path, name, value)
    assert not settings.settings_file(tmp_path).exists()


def test_writing_into_a_broken_file_is_refused(tmp_path):
    """A file that is no TOML is left as it is."""
    path = settings.settings_file(tmp_path)
    path.write_text("threads = = 2\nx")
    with pytest.raises(ValueError, match="not valid TOML"):
        write_setting(tmp_path, "device", "cpu")
    assert path.read_text() == "threads = = 2\nx"


def test_a_child_process_gets_the_same_settings(tmp_path):
    """Settings as environment variables read back as the same settings, whatever the child's own file says."""
    given = Settings(model="x2", threads=3, keep_alive_s=1.5, spool_dir=str(tmp_path))
    (tmp_path / "settings.toml").write_text('model = "other"\n')
    again = load({}, {"GIMP_BSRGAN_PREFIX": str(tmp_path), **environment(given)})
    assert again.settings == given
    assert again.warnings == ()
    assert spool_folder(given, tmp_path / "root") == tmp_path / "gimp-bsrgan-spool"
    assert spool_folder(Settings(), tmp_path) == tmp_path / "spool"
