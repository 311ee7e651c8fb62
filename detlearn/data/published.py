"""The archives of PASCAL VOC and COCO: where they lie, how large they are, what is in them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DATASETS", "Archive", "Downloads"]


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download.

    Attributes:
        urls: tried in this order; all of them end in the file's name.
        size: bytes.
        md5: of the whole file.  It tells the published file from any other; it is not asked to
            withstand somebody who makes a file for it.
        unpacked: bytes on disk, roughly.
        terms: what its owners allow, in a sentence.
        holds: what a folder has in which it lies unpacked: an image set and its length (VOC), a
            folder and how many files it has, or a JSON file.

    >>> DATASETS["voc2012"].archives[0].name
    'VOCtrainval_11-May-2012.tar'
    """

    urls: tuple[str, ...]
    size: int
    md5: str
    unpacked: int
    terms: str
    holds: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.urls[0].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Downloads:
    """What makes a data set: the folder it goes to by default, and its archives."""

    folder: str
    archives: tuple[Archive, ...]


VOC_TERMS = (
    "photographs from Flickr, whose terms of use (flickr.com/help/terms) hold; "
    "host.robots.ox.ac.uk/pascal/VOC says whom to cite"
)
COCO_TERMS = (
    "photographs from Flickr, under the licences that their authors gave them; terms: "
    "cocodataset.org/#termsofuse"
)
COCO_LABEL_TERMS = (
    "annotations of the COCO Consortium, CC BY 4.0; terms: cocodataset.org/#termsofuse"
)


def _voc(file: str, size: int, md5: str, image_set: str, images: int) -> Archive:
    # The first host is the one that torchvision asks, and host.robots.ox.ac.uk sends on to it;
    # the second is a mirror.  Sums: torchvision.datasets.voc, and PaddleDetection's ppdet has the
    # same.  Sizes: what both hosts declare, as scripts that check them record it.
    year = image_set[3:7]
    return Archive(
        urls=(
            f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{file}",
            f"https://data.pjreddie.com/files/{file}",
        ),
        size=size, md5=md5, unpacked=size, terms=VOC_TERMS,
        holds=((f"VOCdevkit/{image_set}", images),),
    )  # fmt: skip


def _coco(path: str, size: int, md5: str, unpacked: int, holds: dict[str, int]) -> Archive:
    # images.cocodataset.org is a bucket of S3 and has no certificate of its own; by S3's own name
    # it is read through TLS.  COCO publishes no sums: these are the ones on which the scripts of
    # PaddleDetection and MLCommons agree; that of the annotations is also their ETag on S3.
    # Sizes: what the bucket declares, as several scripts that check them record it.
    return Archive(
        urls=(
            f"https://s3.amazonaws.com/images.cocodataset.org/{path}",
            f"http://images.cocodataset.org/{path}",
        ),
        size=size, md5=md5, unpacked=unpacked,
        terms=COCO_LABEL_TERMS if path.startswith("annotations") else COCO_TERMS,
        holds=tuple(holds.items()),
    )  # fmt: skip


DATASETS = {
    "voc2007": Downloads("datasets/voc", (
        _voc("VOCtrainval_06-Nov-2007.tar", 460_032_000, "c52e279531787c972589f7e41ab4ae64",
             "VOC2007/ImageSets/Main/trainval.txt", 5_011),
        _voc("VOCtest_06-Nov-2007.tar", 451_020_800, "b6e924de25625d8de591ea690078ad9f",
             "VOC2007/ImageSets/Main/test.txt", 4_952),
    )),
    "voc2012": Downloads("datasets/voc", (
        _voc("VOCtrainval_11-May-2012.tar", 1_999_639_040, "6cd6e144f989b92b3379bac3b3de84fd",
             "VOC2012/ImageSets/Main/trainval.txt", 11_540),
    )),
    "coco2017": Downloads("datasets/coco", (
        _coco("zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80",
              840_000_000, {"val2017": 5_000}),
        _coco("zips/train2017.zip", 19_336_861_798, "cced6f7f71b7629ddf16f17bbcfab6b2",
              19_900_000_000, {"train2017": 118_287}),
        # Last: annotations without their images would look like a data set.
        _coco("annotations/annotations_trainval2017.zip", 252_907_541,
              "f4bbac642086de4f52a3fdda2de5fa2c", 840_000_000, {
                  f"annotations/{kind}_{split}2017.json": 1
                  for kind in ("instances", "person_keypoints") for split in ("train", "val")
              }),
    )),
}  # fmt: skip
"""By the name that the command ``data`` takes.  VOC 2007 and 2012 share a folder: the papers train
on both.
"""
