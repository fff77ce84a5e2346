"""Images: whole or refused, turned as displayed, and kept byte by byte where that is possible."""

import io

from single_shot.labels import pictures
from single_shot.labels.pictures import (
    RecordedImage,
    displayed_size,
    limited_size,
    pictures_in,
    read_picture,
    to_jpeg,
)
from utils.records import RecordError, decode_jpeg

import numpy as np
import pytest
from label_files import SIZE_PX, jpeg
from PIL import Image, ImageFile

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")


def write(path, file_format="JPEG", orientation=None, mode="RGB"):
    """Write a picture in a format to a path, with an EXIF orientation if there is one."""
    exif = Image.Exif()
    if orientation:
        exif[274] = orientation
    picture = Image.open(io.BytesIO(jpeg(1))).convert(mode)
    picture.save(path, file_format, exif=exif, **({"quality": 95} if file_format == "JPEG" else {}))
    return path


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_it_is_displayed(tmp_path, orientation, file_format):
    path = write(tmp_path / "a.picture", file_format, orientation)
    upright = read_picture(write(tmp_path / "upright", file_format))
    # Undone by hand, from the table of Exif 2.3: what stands at the top and at the left.
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: np.rot90(a),
    }
    expected, image = turned[orientation](upright), read_picture(str(path))
    assert displayed_size(path) == image.shape[1::-1] == expected.shape[1::-1]
    np.testing.assert_array_equal(image, expected)
    packed = decode_jpeg(to_jpeg(path, image, 0), "a")
    assert np.abs(packed.astype(int) - expected).mean() < 4
    kept = to_jpeg(path, image, 0) == path.read_bytes()
    assert kept == (orientation == 1 and file_format == "JPEG")


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_is_read_and_a_cut_one_refused(tmp_path, file_format, monkeypatch):
    """Also where GluonCV has told Pillow to fill up what is missing."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = write(tmp_path / "a", file_format)
    assert displayed_size(path) == SIZE_PX and read_picture(path).shape == (30, 40, 3)
    content, whole = path.read_bytes(), read_picture(path)
    for kept in (0, 10, len(content) // 2):
        path.write_bytes(content[:kept])
        with pytest.raises(RecordError, match=f"{path}: no whole image"):
            read_picture(path)
    path.write_bytes(content[:-20])
    if file_format == "PNG":  # what it lacks is behind the pixels
        np.testing.assert_array_equal(read_picture(path), whole)
    else:
        with pytest.raises(RecordError, match=f"{path}: no whole image"):
            read_picture(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_of_sixteen_bits_the_upper_eight_count(tmp_path, file_format):
    ramp = np.arange(0, 65536, 128, dtype=np.uint16).reshape(16, 32)
    Image.fromarray(ramp).save(tmp_path / "a", file_format)
    np.testing.assert_array_equal(read_picture(tmp_path / "a")[:, :, 1], ramp >> 8)


@pytest.mark.parametrize(
    "file_format, mode", [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "RGBA")]
)
def test_other_modes_become_rgb(tmp_path, file_format, mode):
    path = write(tmp_path / "a", file_format, mode=mode)
    image = read_picture(path)
    assert image.shape == (30, 40, 3) and image.dtype == np.uint8
    kept = to_jpeg(path, image, 0) == path.read_bytes()
    assert kept == (mode == "L")
    assert decode_jpeg(to_jpeg(path, image, 0), "a").shape == image.shape


def test_what_a_camera_writes_behind_a_jpeg_is_no_truncation(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(0) + b"SEFT trailer")
    image = read_picture(path)
    np.testing.assert_array_equal(image, decode_jpeg(jpeg(0), "a"))
    assert decode_jpeg(to_jpeg(path, image, 0), "a").shape == image.shape


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK", "1", "LA"])
def test_strips_make_up_the_whole_picture(tmp_path, mode, monkeypatch):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    pixels = np.random.default_rng(0).integers(0, 255, (23, 17, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(path)
    monkeypatch.setattr(pictures, "STRIP_ROWS", 5)
    np.testing.assert_array_equal(read_picture(path), np.asarray(image.convert("RGB")))


def test_a_picture_of_a_telephone_is_not_too_large(tmp_path):
    Image.new("1", (12_000, 9000)).save(tmp_path / "a.png")
    assert displayed_size(tmp_path / "a.png") == (12_000, 9000)


def test_large_pictures_are_shrunk(tmp_path):
    path = write(tmp_path / "a.jpg")
    assert decode_jpeg(to_jpeg(path, read_picture(path), 20), "a").shape == (15, 20, 3)
    assert limited_size((4000, 10), 1000) == (1000, 2)
    assert limited_size((4000, 1), 1000) == (1000, 1)
    assert limited_size((4000, 10), 0) == (4000, 10)


def test_absurd_sizes_are_refused_before_they_are_decoded(tmp_path):
    path = tmp_path / "a.bmp"
    content = bytearray(write(tmp_path / "b.bmp", "BMP").read_bytes())
    content[18:26] = (60_000).to_bytes(4, "little") * 2
    path.write_bytes(content)
    for function in (displayed_size, read_picture):
        with pytest.raises(RecordError, match="a.bmp: .*(pixels|bomb)"):
            function(path)
    with open(tmp_path / "huge.jpg", "wb") as file:
        file.write(jpeg(0))
        file.truncate(2**40)
    with pytest.raises(RecordError, match="more than 536,870,912 bytes"):
        read_picture(tmp_path / "huge.jpg")


def test_an_absent_file_and_a_folder_are_named(tmp_path):
    for path, words in ((tmp_path / "z.jpg", "no such file"), (tmp_path, "Is a directory")):
        with pytest.raises(RecordError, match=words):
            read_picture(path)


def test_a_recorded_image_is_read_as_a_file_is(tmp_path):
    image = RecordedImage("a.rec record 3", jpeg(2))
    assert displayed_size(image) == SIZE_PX
    np.testing.assert_array_equal(read_picture(image), decode_jpeg(jpeg(2), "a"))
    assert to_jpeg(image, read_picture(image), 0) == jpeg(2)
    with pytest.raises(RecordError, match="a.rec record 3: "):
        read_picture(RecordedImage("a.rec record 3", jpeg(2)[:100]))


def test_hidden_files_are_no_pictures(tmp_path):
    folder = tmp_path / ".cache" / "photos"  # hidden itself, but named
    names = ["b.JPG", "a.png", "._a.png", "notes.txt", "day/c.webp", "day/.c.webp", ".thumbs/a.jpg"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert pictures_in(folder) == [folder / "a.png", folder / "b.JPG"]
    assert pictures_in(folder, "**/*") == [*pictures_in(folder), folder / "day/c.webp"]
    assert pictures_in(tmp_path / "absent") == []
