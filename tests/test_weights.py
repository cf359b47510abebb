"""Weights: found, fetched and carried about; without a network, against a server in a thread."""

import hashlib
import http.server
import io
import json
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub
import numpy as np
import pytest

from charachbench import weights
from charachbench.commands import weights as command
from charachbench.config import Config, WeightsConfig
from charachbench.errors import UserError
from charachbench.weights import bundle, hub
from charachbench.weights.download import Downloader, DownloadError
from charachbench.weights.registry import HUB, REGISTRY, Repository, Weights
from charachbench.weights.status import State, Status, status

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
COMMIT = "0123456789" * 4


def entry(*sources: str, content: bytes = CONTENT, file: str = "thing.pth") -> Weights:
    return Weights(file, "tests", sources, "MIT", hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights, the rest of the machine being empty."""
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "weights"


class Server(http.server.BaseHTTPRequestHandler):
    """Gives out files, parts of them too; the first answers of ``cut`` break off half-way."""

    files: ClassVar[dict[str, bytes]] = {}
    cut: ClassVar[list[str]] = []
    ranges: ClassVar[bool] = True
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if self.path in self.cut:
            self.cut.remove(self.path)
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.files, Server.cut, Server.asked, Server.ranges = {"/thing.pth": CONTENT}, [], [], True
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    thread.join()
    served.server_close()


class TestRegistry:
    def test_hashes_commits_and_names_are_whole(self):
        assert not REGISTRY.keys() & HUB.keys()
        for name, file in REGISTRY.items():
            # what cannot be verified comes from where a person decides whom to trust
            assert file.manual if file.sha256 is None else re.fullmatch("[0-9a-f]{64}", file.sha256), name
            assert all(source.startswith("https://") for source in file.sources), name
            assert all((file.sources, file.licence, file.purpose, "/" not in file.file)), name
            prefix = re.search(r"-([0-9a-f]{8})\.pth$", file.file)  # torch hub's convention
            assert prefix is None or str(file.sha256).startswith(prefix[1]), name
        for name, repository in HUB.items():
            assert repository.revision is None or hub.is_commit(repository.revision), name
            assert all((repository.files, repository.licence, repository.purpose)), name
        assert len({file.file for file in REGISTRY.values()}) == len(REGISTRY)
        commits = {entry.hub: entry.revision for entry in HUB.values()}
        assert all(commits[entry.hub] == entry.revision for entry in HUB.values())  # also of parts of one repository

    def test_hashes_agree_with_the_installed_packages(self):
        models = pytest.importorskip("torchvision.models")
        inception = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
        urls = {
            "inception_2015": inception.URL_INCEPTION_V3,
            "alexnet": models.AlexNet_Weights.IMAGENET1K_V1.url,
            "vgg16": models.VGG16_Weights.IMAGENET1K_V1.url,
            "squeezenet1_1": models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url,
        }
        for name, url in urls.items():
            assert REGISTRY[name].sources[0] == url
            assert url.rpartition("-")[2] == f"{REGISTRY[name].sha256[:8]}.pth"


class TestFingerprint:
    def test_of_a_name_needs_no_file(self):
        assert weights.fingerprint("alexnet") == "7be5be79"

    def test_of_a_file_is_of_its_bytes(self, tmp_path):
        path = tmp_path / "my.pth"
        path.write_bytes(CONTENT)
        assert weights.fingerprint(str(path)) == hashlib.sha256(CONTENT).hexdigest()[:8]
        path.write_bytes(OTHER + b"more")
        assert weights.fingerprint(str(path)) == hashlib.sha256(OTHER + b"more").hexdigest()[:8]

    def test_of_a_name_without_a_hash_is_of_its_file(self, places, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", UNKNOWN)
        with pytest.raises(UserError, match="'thing' not found"):
            weights.fingerprint("thing")
        places.mkdir()
        (places / "thing.pth").write_bytes(CONTENT)
        assert weights.fingerprint("thing") == hashlib.sha256(CONTENT).hexdigest()[:8]

    def test_of_a_repository_is_its_commit(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        with pytest.raises(UserError, match="'model' \\(some/model\\) not found"):
            weights.fingerprint("model")
        snapshot()
        assert weights.fingerprint("model") == "01234567"

    def test_unknown_names_the_nearest(self):
        with pytest.raises(UserError, match=r"'inception2015': no such file.*did you mean inception_2015"):
            weights.fingerprint("inception2015")


class TestLocate:
    def test_in_torch_hubs_folder_and_read_once(self, tmp_path, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", entry())
        path = tmp_path / "torch" / "hub" / "checkpoints" / "thing.pth"
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
        assert weights.locate("thing") == path
        monkeypatch.setattr(hashlib, "file_digest", None)  # a second reading would fail
        assert weights.locate("thing") == path

    def test_another_file_is_refused(self, places, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", entry("https://example.org/thing.pth"))
        places.mkdir()
        (places / "thing.pth").write_bytes(OTHER)
        with pytest.raises(UserError, match=r"is not the registered 'thing'.*https://example\.org/thing\.pth"):
            weights.locate("thing")
        assert status("thing").state is State.wrong

    def test_without_a_hash_it_is_taken_and_not_verified(self, places, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", UNKNOWN)
        places.mkdir()
        (places / "thing.pth").write_bytes(OTHER)
        assert weights.locate("thing") == places / "thing.pth"
        assert status("thing", verify=True) == Status(State.unverified, places / "thing.pth", len(OTHER))
        monkeypatch.setitem(REGISTRY, "thing", replace(UNKNOWN, size=5))
        with pytest.raises(UserError, match=r"is not the registered 'thing' \(300000 bytes; expected 5 bytes\)"):
            weights.locate("thing")
        assert status("thing").state is State.wrong

    def test_a_path_is_taken_as_it_is(self, tmp_path):
        (tmp_path / "mine.pth").write_bytes(b"anything")
        assert weights.locate(str(tmp_path / "mine.pth")) == tmp_path / "mine.pth"

    def test_a_large_file_is_read_only_where_asked(self, places, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", entry())
        monkeypatch.setattr("charachbench.weights.status.QUICK", 1000)
        places.mkdir()
        (places / "thing.pth").write_bytes(OTHER)
        assert status("thing").state is State.unverified
        assert status("thing", verify=True).state is State.wrong
        (places / "thing.pth").write_bytes(CONTENT[:-1])
        assert status("thing").state is State.wrong  # by its size


class TestDownload:
    def test_whole_and_right(self, server, tmp_path):
        path = Downloader().file(entry(f"{server}/thing.pth"), tmp_path / "new")
        assert path == tmp_path / "new" / "thing.pth"
        assert path.read_bytes() == CONTENT
        assert not path.with_name("thing.pth.part").exists()

    def test_goes_on_after_a_cut(self, server, tmp_path):
        Server.cut = ["/thing.pth"]
        with pytest.raises(DownloadError, match=rf"broke off after {len(CONTENT) // 2} of {len(CONTENT)} bytes"):
            Downloader().file(entry(f"{server}/thing.pth"), tmp_path)
        assert not (tmp_path / "thing.pth").exists()
        assert Downloader().file(entry(f"{server}/thing.pth"), tmp_path).read_bytes() == CONTENT
        assert Server.asked[-1] == ("/thing.pth", f"bytes={len(CONTENT) // 2}-")

    @pytest.mark.parametrize("left", [len(CONTENT), 1000], ids=["whole", "some"])
    def test_servers_without_ranges(self, server, tmp_path, left):
        Server.ranges = False
        (tmp_path / "thing.pth.part").write_bytes(CONTENT[:left])
        assert Downloader().file(entry(f"{server}/thing.pth"), tmp_path).read_bytes() == CONTENT

    def test_a_whole_part_needs_nothing_more(self, server, tmp_path):
        (tmp_path / "thing.pth.part").write_bytes(CONTENT)
        assert Downloader().file(entry(f"{server}/thing.pth"), tmp_path).read_bytes() == CONTENT

    def test_a_wrong_beginning_is_begun_again(self, server, tmp_path):
        (tmp_path / "thing.pth.part").write_bytes(b"x" * 1000)
        assert Downloader().file(entry(f"{server}/thing.pth"), tmp_path).read_bytes() == CONTENT

    def test_a_wrong_file_is_set_aside_and_the_mirror_asked(self, server, tmp_path):
        Server.files["/wrong.pth"] = OTHER
        with pytest.raises(
            DownloadError, match=r"wrong\.pth gave another file .*expected.*kept as .*thing\.pth\.wrong"
        ):
            Downloader().file(entry(f"{server}/wrong.pth"), tmp_path)
        assert (tmp_path / "thing.pth.wrong").read_bytes() == OTHER
        assert not (tmp_path / "thing.pth").exists()
        mirrored = entry(f"{server}/missing.pth", f"{server}/wrong.pth", f"{server}/thing.pth")
        assert Downloader().file(mirrored, tmp_path).read_bytes() == CONTENT

    def test_without_a_hash_it_is_accepted_and_its_own_told(self, server, tmp_path, caplog):
        caplog.set_level("INFO")
        unknown = replace(UNKNOWN, sources=(f"{server}/thing.pth",))
        for _ in range(2):
            assert Downloader().file(unknown, tmp_path).read_bytes() == CONTENT
        assert caplog.text.count(f"sha256 {hashlib.sha256(CONTENT).hexdigest()}, not verified") == 1
        assert len(Server.asked) == 1
        with pytest.raises(DownloadError, match=r"another file \(300000 bytes; expected 5 bytes\), kept as"):
            Downloader().file(replace(unknown, size=5), tmp_path / "elsewhere")

    def test_every_reason_is_told(self, server, tmp_path):
        with pytest.raises(DownloadError, match=r"missing\.pth answered 404 .*; nowhere\.invalid cannot be reached"):
            Downloader().file(entry(f"{server}/missing.pth", "http://nowhere.invalid/thing.pth"), tmp_path)

    def test_a_silent_host_is_asked_once(self, tmp_path):
        downloader = Downloader(timeout=0.3)
        silent = entry("http://192.0.2.1/a.pth", "http://192.0.2.1/b.pth")
        start = time.monotonic()
        for _ in range(5):
            with pytest.raises(DownloadError, match=r"^192\.0\.2\.1 cannot be reached \([^;]*\)$"):
                downloader.file(silent, tmp_path)
        assert time.monotonic() - start < 3

    def test_a_folder_that_cannot_be_written(self, server, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(DownloadError, match="cannot be written"):
            Downloader().file(entry(f"{server}/thing.pth"), tmp_path / "file" / "folder")


UNKNOWN = Weights("thing.pth", "tests", ("https://example.org/page",), "MIT")


def snapshot(commit: str = COMMIT, model: str = "some/model", size: int = 100) -> Path:
    """A commit in the layout of the hub's cache."""
    folder = hub.cache(model) / "snapshots" / commit
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "sub" / "model.safetensors").write_bytes(CONTENT[:size])
    (folder / "unneeded.bin").write_bytes(b"unneeded")
    return folder


MODEL = Repository("some/model", "tests", "MIT", ("config.json", "sub/*"), COMMIT, withdrawn=("gone/model",))


class TestHub:
    def test_whole_only_with_every_file(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        assert status("model").state is State.missing
        with pytest.raises(UserError, match=r"'model' \(some/model\) not found at .*weights\.names=\[model\]"):
            weights.locate("model")
        folder = snapshot()
        assert weights.locate("model") == folder
        assert status("model").size == 102  # what is needed of it
        blobs = hub.cache("some/model") / "blobs"
        blobs.mkdir()
        (blobs / "abc.incomplete").touch()
        assert status("model").state is State.missing
        (blobs / "abc.incomplete").unlink()
        (folder / "config.json").unlink()
        assert status("model").state is State.missing

    def test_blobs_are_verified_by_their_names(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        path = snapshot() / "sub" / "model.safetensors"
        blob = hub.cache("some/model") / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        blob.parent.mkdir()
        path.rename(blob)
        path.symlink_to(blob)
        assert status("model").state is State.unverified
        assert status("model", verify=True).state is State.found
        blob.write_bytes(OTHER)
        assert status("model", verify=True).state is State.wrong

    def test_the_registered_commit_comes_before_the_main_branch(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        other = snapshot("f" * 40)
        assert hub.cached_commit("some/model", None) is None
        (hub.cache("some/model") / "refs").mkdir()
        (hub.cache("some/model") / "refs" / "main").write_text("f" * 40)
        assert weights.locate("model") == other
        assert weights.locate("model") != snapshot() == weights.locate("model")
        assert hub.cached_commit("some/model", "f" * 40) == "f" * 40

    def test_fetched_into_the_cache(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        asked: dict[str, Any] = {}

        def snapshot_download(model: str, **options: Any) -> None:
            asked.update(options, model=model)
            snapshot()

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: None)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        assert command.fetch(command.named(["model"]), Downloader()) == []
        assert (asked["model"], asked["revision"], asked["local_dir"]) == ("some/model", COMMIT, None)
        assert asked["allow_patterns"] == ["config.json", "sub/*"]

    def test_offline_is_asked_once(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        monkeypatch.setitem(HUB, "second", replace(MODEL, hub="some/second"))
        asked = []

        def model_info(self: object, model: str, **_: Any) -> None:
            asked.append(model)
            raise OSError("no route\nand more")

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
        failures = command.fetch(command.named(["model", "second"]), Downloader())
        assert asked == ["some/model"]
        assert len(failures) == 2
        assert re.search(
            r"^second: .* cannot be reached .*no route\).*here with weights\.install=FILE\.tar", failures[1]
        )
        assert "\n" not in "".join(failures)


class TestNeeds:
    def names(self, **groups: Any) -> list[tuple[str, str]]:
        return [(need.name, need.where) for need in command.needs(Config(**groups))]

    def test_nothing(self):
        assert self.names(benchmark={"_target_": "charachbench.benchmark.toy.benchmark.Toy"}) == []

    def test_settings_defaults_and_implied(self):
        dino = {"_target_": "methods.faceshot.features.dinov2.DinoV2"}
        assert self.names(
            detector={"_target_": "charachbench.landmarks.detectors.MediaPipe"},
            features=dino | {"model": "facebook/dinov2-base"},
            method={"nested": [{"weights": "arcface_r100"}]},
        ) == [
            ("face_landmarker", "detector.model_path"),
            ("dinov2", "features.model"),
            ("arcface_r100", "method.nested[0].weights"),
        ]
        assert self.names(features=dino) == self.names(features=dino | {"model": "facebook/dinov2-base"})
        given = {"_target_": "charachbench.landmarks.detectors.MediaPipe", "model_path": "/some/face_landmarker.task"}
        assert self.names(detector=given) == []

    def test_networks_of_lpips(self):
        for net, name in {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}.items():
            lpips = {"_target_": "metrics.perceptual.Lpips", "net": net}
            assert self.names(metrics={"lpips": lpips}) == [(name, "metrics.lpips.net")]
            assert self.names(metrics={"lpips": lpips | {"weights": "random"}}) == []
        assert self.names(metrics={"lpips": {"_target_": "metrics.perceptual.Lpips"}}) == [
            ("alexnet", "metrics.lpips.net")
        ]

    def test_revision_folder_and_repetition(self):
        (need,) = command.needs(
            Config(features={"model": "facebook/dinov2-base", "revision": "v1"}, method={"model": "someone/unknown"})
        )
        assert (need.model, need.revision) == ("facebook/dinov2-base", "v1")
        gallery = {"_target_": "methods.faceshot.gallery.Published", "root": "my/target_domains"}
        (need,) = command.needs(Config(gallery=gallery, landmarks={"gallery": gallery}))
        assert (need.name, need.folder, need.where) == ("faceshot_gallery", Path("my"), "gallery.root")

    def test_files_of_a_recipe(self, tmp_path):
        (tmp_path / "mine.pth").write_bytes(CONTENT)
        files = {
            "vox": {"weights": "fomm_vox", "to": "checkpoints/vox-cpk.pth.tar"},
            "vae": {"weights": "sd_vae_ft_mse", "to": "pretrained_model/sd-vae-ft-mse"},
            "mine": {"weights": str(tmp_path / "mine.pth"), "to": "alexnet", "path": "sd_vae_ft_mse"},
        }
        first, second = command.needs(Config(method={"recipe": {"files": files}}))
        assert first == command.Need("fomm_vox", where="method.recipe.files.vox.weights")
        assert second == command.Need(
            "sd_vae_ft_mse", HUB["sd_vae_ft_mse"].hub, where="method.recipe.files.vae.weights"
        )

    def test_of_the_parts_of_one_repository_its_name_means_the_first(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        monkeypatch.setitem(HUB, "part", replace(MODEL, files=("sub/*",)))
        assert self.names(features={"model": "some/model"}) == [("model", "features.model")]
        assert self.names(features={"model": "part"}) == [("part", "features.model")]

    def test_withdrawn_names_are_told(self, monkeypatch):
        monkeypatch.setitem(HUB, "model", MODEL)
        wanted = command.needs(Config(features={"model": "gone/model"}))
        (failure,) = command.fetch(wanted, Downloader())
        assert "gone/model was taken off the hub; set features.model=some/model" in failure

    def test_names(self):
        assert len(command.named("all")) == len(REGISTRY) + len(HUB)
        assert [need.name for need in command.named("alexnet,vgg16")] == ["alexnet", "vgg16"]
        with pytest.raises(UserError, match=r"'alexnett' is not registered; did you mean alexnet"):
            command.named(["alexnett"])
        with pytest.raises(UserError, match="accepted are all"):
            command.named(3)


class TestFetch:
    def test_what_is_missing(self, server, places, monkeypatch, caplog):
        caplog.set_level("INFO")
        monkeypatch.setitem(REGISTRY, "thing", entry(f"{server}/thing.pth"))
        settings = Config(weights=WeightsConfig(names=["thing"]))
        assert command.execute(settings) == []
        assert (places / "thing.pth").read_bytes() == CONTENT
        assert command.execute(settings) == []
        assert "all there: thing" in caplog.text
        assert caplog.records[-1].fields["rows"] == [{"name": "thing", "path": places / "thing.pth"}]
        assert len(Server.asked) == 1

    def test_offline_tells_where_to_get_it(self, places, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", entry("http://nowhere.invalid/thing.pth"))
        (failure,) = command.execute(Config(weights=WeightsConfig(names="thing")))
        assert re.fullmatch(
            r"thing: nowhere\.invalid cannot be reached \(.*\); get thing\.pth from "
            rf"http://nowhere\.invalid/thing\.pth \(MIT\) and put it into {places}",
            failure,
        )

    def test_by_hand_is_one_sentence_and_no_attempt(self, server, places, monkeypatch):
        page = replace(UNKNOWN, sources=(f"{server}/thing.pth",), manual=True)
        monkeypatch.setitem(REGISTRY, "thing", page)
        settings = Config(weights=WeightsConfig(names=["thing"]))
        (failure,) = command.execute(settings)
        assert re.fullmatch(
            rf"weights 'thing' not found at {places}/thing\.pth or .*: get thing\.pth by hand from {server}/thing\.pth "
            r"\(MIT\) and put it there, or set CHARACBENCH_WEIGHTS to the folder that holds it",
            failure,
        )
        assert Server.asked == []
        places.mkdir()
        (places / "thing.pth").write_bytes(b"<html>")
        monkeypatch.setitem(REGISTRY, "thing", replace(page, size=len(CONTENT)))
        (failure,) = command.execute(settings)
        assert f"is not the registered 'thing' (6 bytes; expected {len(CONTENT)} bytes)" in failure
        (places / "thing.pth").write_bytes(CONTENT)
        assert command.execute(settings) == []


class TestBundle:
    @pytest.fixture
    def registered(self, places, monkeypatch) -> Path:
        monkeypatch.setitem(REGISTRY, "thing", entry())
        monkeypatch.setitem(REGISTRY, "absent", entry(file="absent.pth"))
        monkeypatch.setitem(HUB, "model", MODEL)
        places.mkdir()
        (places / "thing.pth").write_bytes(CONTENT)
        snapshot()
        return places

    def move(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """To a machine that has nothing."""
        monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "elsewhere"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub elsewhere"))
        return tmp_path / "elsewhere"

    def test_round_trip(self, registered, tmp_path, monkeypatch):
        path = tmp_path / "some" / "bundle.tar"
        settings = Config(weights=WeightsConfig(names=["thing", "absent", "model"], export=str(path)))
        (failure,) = command.execute(settings)
        assert failure.startswith("weights 'absent' not found")
        here = self.move(monkeypatch, tmp_path)
        assert command.execute(Config(weights=WeightsConfig(install=str(path)))) == []
        assert (here / "thing.pth").read_bytes() == CONTENT
        assert weights.locate("model").is_relative_to(tmp_path / "hub elsewhere")
        assert (weights.locate("model") / "sub" / "model.safetensors").read_bytes() == CONTENT[:100]
        assert not (weights.locate("model") / "unneeded.bin").exists()

    def test_without_a_registered_hash_the_manifests_counts(self, registered, tmp_path, monkeypatch):
        monkeypatch.setitem(REGISTRY, "thing", UNKNOWN)
        path = tmp_path / "bundle.tar"
        assert bundle.export(["thing"], path) == (["thing"], [])
        here = self.move(monkeypatch, tmp_path)
        whole = path.read_bytes()
        path.write_bytes(whole.replace(CONTENT, OTHER))
        done, (reason,) = bundle.install(path)
        assert done == []
        assert "another hash" in reason
        path.write_bytes(whole)
        assert bundle.install(path) == (["thing"], [])
        assert (here / "thing.pth").read_bytes() == CONTENT

    def test_without_a_registered_commit_it_is_the_main_branch(self, registered, tmp_path, monkeypatch):
        monkeypatch.setitem(HUB, "model", replace(MODEL, revision=None))
        (hub.cache("some/model") / "refs").mkdir()
        (hub.cache("some/model") / "refs" / "main").write_text(COMMIT)
        assert bundle.export(["model"], tmp_path / "bundle.tar") == (["model"], [])
        self.move(monkeypatch, tmp_path)
        assert bundle.install(tmp_path / "bundle.tar") == (["model"], [])
        assert weights.locate("model").name == COMMIT

    def hostile(self, path: Path, manifest: Any, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
        text = json.dumps({"format": 1, "weights": manifest}).encode()
        with tarfile.open(path, "w") as tar:
            for name, content in ({"manifest.json": text} | members).items():
                if isinstance(content, tarfile.TarInfo):
                    tar.addfile(content)
                    continue
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    @pytest.mark.parametrize("name", ["../evil", "/evil", "model/../../evil", "model/a\\..\\evil", "other/config.json"])
    def test_nothing_leaves_its_folder(self, registered, tmp_path, monkeypatch, name):
        self.move(monkeypatch, tmp_path)
        file = {"path": name, "sha256": hashlib.sha256(b"evil").hexdigest(), "size": 4}
        manifest = [{"name": "model", "revision": COMMIT, "files": [file]}]
        path = self.hostile(tmp_path / "evil.tar", manifest, {name: b"evil"})
        before = {file for file in tmp_path.rglob("*") if file.is_file()}
        done, reasons = bundle.install(path)
        assert done == []
        assert len(reasons) == 1
        assert {file for file in tmp_path.rglob("*") if file.is_file()} == before
        assert not Path("/evil").exists()

    def test_links_are_refused(self, registered, tmp_path, monkeypatch):
        self.move(monkeypatch, tmp_path)
        link = tarfile.TarInfo("model/config.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file = {"path": link.name, "sha256": "0" * 64, "size": 0}
        manifest = [{"name": "model", "revision": COMMIT, "files": [file]}]
        done, (reason,) = bundle.install(self.hostile(tmp_path / "evil.tar", manifest, {link.name: link}))
        assert done == []
        assert "not installed" in reason

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"name": "nonsense"}, "not registered"),
            ({"name": ["thing"]}, "unhashable"),
            ({"revision": "../../x"}, "not a full commit"),
            ({"revision": "f" * 40}, "not the registered one"),
            ({"files": []}, "lacks some of config.json"),
            ({"files": [{"path": "nowhere", "sha256": ""}]}, "nowhere"),
        ],
    )
    def test_a_manifest_of_anything(self, registered, tmp_path, monkeypatch, change, reason):
        here = self.move(monkeypatch, tmp_path)
        file = {"path": "model/config.json", "sha256": hashlib.sha256(b"{}").hexdigest(), "size": 2}
        good = {"name": "model", "revision": COMMIT, "files": [file]}
        thing = {"name": "thing", "files": [{"path": "thing/thing.pth", "sha256": "0" * 64}]}
        members: dict[str, bytes | tarfile.TarInfo] = {"model/config.json": b"{}", "thing/thing.pth": CONTENT}
        path = self.hostile(tmp_path / "odd.tar", [good | change, thing], members)
        done, reasons = bundle.install(path)
        assert reason in reasons[0]
        assert done == ["thing"]  # the others are not held up; the registry's hash decides
        assert (here / "thing.pth").read_bytes() == CONTENT

    def test_a_wrong_hash_installs_nothing(self, registered, tmp_path, monkeypatch):
        here = self.move(monkeypatch, tmp_path)
        wrong = hashlib.sha256(OTHER).hexdigest()
        manifest = [{"name": "thing", "files": [{"path": "thing/thing.pth", "sha256": wrong, "size": len(OTHER)}]}]
        done, (reason,) = bundle.install(self.hostile(tmp_path / "wrong.tar", manifest, {"thing/thing.pth": OTHER}))
        assert done == []
        assert "another hash" in reason
        assert list(here.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"no tar", None])
    def test_no_bundle(self, tmp_path, content):
        path = tmp_path / "no.tar"
        if content is None:
            with tarfile.open(path, "w") as tar:
                tar.addfile(tarfile.TarInfo("something"))
        else:
            path.write_bytes(content)
        with pytest.raises(UserError, match=r"weights\.install=.*accepted is a tar"):
            bundle.install(path)
        with pytest.raises(UserError, match=r"weights\.install=.*cannot be read"):
            bundle.install(tmp_path / "missing.tar")
