"""Models over the wire: what there is, and transfers that never hold the daemon up."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
from pathlib import Path

import pytest

from bsrgan_backend.models import synthetic
from bsrgan_backend.models.store import ModelStore
from bsrgan_wire.client import Client
from bsrgan_wire.errors import RemoteError
from bsrgan_wire.messages import LATER_KINDS, ModelAdd, ModelGet, Models, ModelsReport, ModelStop
from bsrgan_wire.model_facts import ModelFacts
from support import published, weights_host
from support import weight_files as files
from support.daemons import Daemon, Peer, wait_for

TINY = synthetic.random_weights(synthetic.TINY, 31)
BODY = files.torch_zip(files.renamed(TINY, "bsrgan"))
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def host():
    """A host of one model that does what a test tells it to."""
    with weights_host.serving(BODY) as host:
        yield host


@pytest.fixture(scope="module")
def daemon(host, tmp_path_factory):
    """A daemon whose published models lie on that host."""
    root = tmp_path_factory.mktemp("root")
    models = [("tiny", host.url, len(BODY), SHA), ("other", host.url, len(BODY), SHA), ("wrong", host.url, 0, "0" * 64)]
    env = {"GIMP_BSRGAN_PREFIX": str(root), "GIMP_BSRGAN_MODEL": "tiny", **published.variable(models)}
    daemon = Daemon(root, env=env, command=list(published.SERVE))
    try:
        yield daemon
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log()
    finally:
        daemon.stop()


@pytest.fixture
def peer(daemon):
    """A client, before an installation without models."""
    peer = daemon.connect()
    for name in ModelStore(daemon.root / "models").installed():
        ModelStore(daemon.root / "models").remove(name.id)
    yield peer
    peer.ask(ModelStop(), ModelsReport)
    ended(peer)
    peer.bye()


def report(peer) -> ModelsReport:
    """What the daemon tells of models."""
    return peer.ask(Models(), ModelsReport)


def told(peer) -> dict[str, ModelFacts]:
    """The models by id."""
    return {facts.id: facts for facts in map(ModelFacts.read, report(peer).models)}


def ended(peer) -> ModelsReport:
    """The report once no transfer is under way."""
    return wait_for(lambda: found if (found := report(peer)).phase != "running" else None)


def leftovers(daemon) -> list[str]:
    """Files below the models' folder that belong to no model."""
    return [path.name for path in (daemon.root / "models").rglob("*") if "part" in path.name or path.is_dir()]


def test_published_models_are_told_before_they_are_fetched(peer):
    """Licence, origin, scale and size of a model that is not installed are there to be read first."""
    models = told(peer)
    assert list(models) == ["tiny", "other", "wrong"]
    tiny = models["tiny"]
    assert (tiny.licence, tiny.scale, tiny.size_bytes) == ("Apache-2.0", 4, len(BODY))
    assert tiny.source.startswith("http://127.0.0.1")
    assert tiny.is_default
    assert not tiny.is_installed


def test_the_welcome_names_the_questions_about_models(daemon):
    """A client learns from WELCOME that it may ask, as older daemons would count the question as an error."""
    peer = Peer(daemon)
    assert set(LATER_KINDS) <= set(peer.greet().knows)
    peer.bye()


def test_a_model_is_fetched_while_the_daemon_answers(daemon, peer):
    """The answer to the request comes at once, and the model is installed with the facts that were told."""
    first = peer.ask(ModelGet("tiny"), ModelsReport)
    assert (first.phase, first.what) == ("running", "tiny")
    last = ended(peer)
    assert (last.number, last.phase, last.made, last.text) == (first.number, "done", "tiny", "")
    assert (last.done, last.total) == (len(BODY), len(BODY))
    model = told(peer)["tiny"]
    assert (model.is_installed, model.licence) == (True, "Apache-2.0")
    assert "tiny" in peer.status()["models"]
    assert ModelStore(daemon.root / "models").load("tiny").digest == TINY.digest


def test_one_transfer_at_a_time_and_cancel_leaves_nothing_half(daemon, host, peer):
    """While one hangs, a second is refused with a sentence; a cancelled one can be started again at once."""
    host.behaviours[:] = ["hang"]
    peer.ask(ModelGet("tiny"), ModelsReport)
    assert peer.error(ModelGet("other")) == "BAD_PARAM"
    assert peer.error(ModelAdd("/tmp/x.pth")) == "BAD_PARAM"
    wait_for(lambda: (daemon.root / "models" / "downloads" / "tiny.part").exists())
    peer.ask(ModelStop(), ModelsReport)
    assert ended(peer).phase == "cancelled"
    assert not told(peer)["tiny"].is_installed
    peer.ask(ModelGet("tiny"), ModelsReport)
    assert ended(peer).phase == "done"
    assert leftovers(daemon) == []


@pytest.mark.parametrize(
    ("behaviour", "model", "code", "words"),
    [
        ("404", "tiny", "MODEL_MISSING", "refuses the file with status 404"),
        ("good", "wrong", "MODEL_HASH", "not the published one"),
    ],
)
def test_failures_of_the_network_are_one_sentence(host, peer, behaviour, model, code, words):
    """What the backend says of a failed download comes to the client, and nothing is installed."""
    host.behaviours[:] = [behaviour]
    peer.ask(ModelGet(model), ModelsReport)
    last = ended(peer)
    assert (last.phase, last.code) == ("failed", code)
    assert words in last.text
    assert not told(peer)[model].is_installed


def test_a_file_is_added_by_its_path(tmp_path, peer):
    """A file of this machine becomes a model named after it, whatever letters its folder has."""
    folder = tmp_path / "Ordner, größer"
    folder.mkdir()
    path = folder / "My Net.pth"
    path.write_bytes(BODY)
    peer.ask(ModelAdd(str(path)), ModelsReport)
    last = ended(peer)
    # The published model's own name: its digest is known.
    assert (last.phase, last.made, last.what) == ("done", "tiny", "My Net.pth")
    assert path.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<!doctype html><html>", "web page"), (b"hello there\n" * 9, "text file"), (None, "no file")],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path, peer, content, words):
    """A file that is no network, or not there, is named with what it is."""
    path = tmp_path / "net.pth"
    if content is not None:
        path.write_bytes(content)
    peer.ask(ModelAdd(str(path)), ModelsReport)
    last = ended(peer)
    assert (last.phase, last.code) == ("failed", "MODEL_LOAD")
    assert words in last.text


def test_what_cannot_be_meant_is_refused_at_once(peer):
    """An unknown id and a relative path start no process."""
    before = report(peer).number
    assert peer.error(ModelGet("nothing")) == "BAD_PARAM"
    assert peer.error(ModelGet("--help")) == "BAD_PARAM"
    assert peer.error(ModelAdd("net.pth")) == "BAD_PARAM"
    assert peer.error(ModelAdd("/a\0b")) == "BAD_PARAM"
    assert report(peer).number == before


def test_a_process_that_is_killed_is_a_failure_and_not_the_daemons_end(daemon, host, peer):
    """A killed transfer is told in one sentence, and the next one works."""
    host.behaviours[:] = ["hang"]
    peer.ask(ModelGet("tiny"), ModelsReport)
    wait_for(lambda: (daemon.root / "models" / "downloads" / "tiny.part").exists())
    os.kill(child_of(daemon), signal.SIGKILL)
    last = ended(peer)
    assert (last.phase, last.code) == ("failed", "WORKER_CRASHED")
    assert last.text.endswith("try again.")
    peer.ask(ModelGet("tiny"), ModelsReport)
    assert ended(peer).phase == "done"


def test_more_models_than_a_report_holds(daemon, peer):
    """With very many installed models of long facts the report still fits, and the published ones are in it."""
    store = ModelStore(daemon.root / "models")
    for number in range(60):
        store.put(f"m{number}-{'x' * 58}", TINY, "0" * 64, None, "ü" * 250)
    found = told(peer)
    assert len(found) == 48
    assert "tiny" in found
    assert peer.ping()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_transfer_ends_with_the_daemon(host, tmp_path, number):
    """Neither a stopped nor a killed daemon leaves a process that goes on with its transfer."""
    env = {"GIMP_BSRGAN_PREFIX": str(tmp_path), **published.variable([("tiny", host.url, len(BODY), SHA)])}
    daemon = Daemon(tmp_path, env=env, command=list(published.SERVE))
    try:
        host.behaviours[:] = ["hang"]
        peer = daemon.connect()
        peer.ask(ModelGet("tiny"), ModelsReport)
        wait_for(lambda: (tmp_path / "models" / "downloads" / "tiny.part").exists())
        child = child_of(daemon)
        daemon.stop(number)
        wait_for(lambda: not is_running(child))
    finally:
        daemon.stop()


def child_of(daemon) -> int:
    """The only process that the daemon has started."""
    pid = daemon.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_facts_that_are_too_long_are_cut_whole_characters():
    """What is packed fits the wire, and cut texts are still texts."""
    facts = ModelFacts("a", "t", "ü" * 300, "l", secrets.token_hex(200), 4, 1, is_installed=True, is_default=False)
    read = ModelFacts.read(facts.packed())
    assert read.description == "ü" * 128
    assert len(read.source) == 256
    assert ModelFacts.read({**facts.packed(), "later": 1}) == read


@pytest.mark.parametrize("wrong", [{"scale": "4"}, {"scale": True}, {"id": None}, {"is_default": 1}])
def test_a_map_that_is_no_model_is_refused(wrong):
    """A key of another type is a ValueError that names it, never a model with holes."""
    facts = ModelFacts("a", "t", "d", "l", "s", 4, 1, is_installed=True, is_default=False)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ModelFacts.read(facts.packed() | wrong)


def test_the_client_asks_as_the_protocol_says(daemon, peer, tmp_path):
    """The typed client lists, fetches, adds, stops, and raises what the daemon refuses."""
    (tmp_path / "net.pth").write_bytes(BODY)
    with Client.connect(daemon.facts(), name="test") as client:
        assert client.tells_models()
        assert client.get_model("tiny").phase == "running"
        assert ended(peer).made == "tiny"
        assert client.add_model(str(tmp_path / "net.pth")).phase == "running"
        assert ended(peer).phase == "done"
        assert client.stop_model().phase == "done"
        with pytest.raises(RemoteError, match="No model nothing is published"):
            client.get_model("nothing")
        assert len(client.models().models) == 3
