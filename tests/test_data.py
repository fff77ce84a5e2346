from utils import data
from utils.context import seed_everything
from utils.records import RecordError, write_records

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy_data import rectangles

IMAGE = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
LABELS = np.array([[0, 0.1, 0.2, 0.5, 0.7], [2, 0.6, 0.1, 0.9, 0.4]], dtype=np.float32)
NO_LABELS = np.zeros((0, 5), dtype=np.float32)
TRANSFORMS = {
    "random_crop": data.random_crop,
    "random_flip": data.random_flip,
    "color_jitter": data.color_jitter,
    "zoom_out": data.zoom_out,
    "augment": lambda image, labels: data.augment(image, labels, size=32),
    "ssd_augment": lambda image, labels: data.ssd_augment(image, labels, size=32),
}


def mark(labels, size=96):
    """Return a black image in which every object is filled with its own brightness."""
    image = np.zeros((size, size, 3), dtype=np.uint8)
    for row, (_, *box) in enumerate(labels):
        xmin, ymin, xmax, ymax = np.rint(np.array(box) * size).astype(int)
        image[ymin:ymax, xmin:xmax] = 100 + 50 * row
    return image


def test_to_pixels_scales_by_width_and_height():
    expected = [[6, 8, 30, 28, 0], [36, 4, 54, 16, 2]]
    np.testing.assert_allclose(data.to_pixels(LABELS, width=60, height=40), expected, rtol=1e-6)


def test_to_fractions_undoes_to_pixels():
    boxes_px = data.to_pixels(LABELS, 60, 40)
    np.testing.assert_allclose(data.to_fractions(boxes_px, 60, 40), LABELS, rtol=1e-6)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("labels", [LABELS, NO_LABELS], ids=["objects", "no objects"])
@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_transforms_keep_samples_legal(name, labels, seed):
    seed_everything(seed)
    image, moved = TRANSFORMS[name](IMAGE, labels)
    assert image.dtype == np.uint8 and image.shape[2] == 3
    assert moved.dtype == np.float32
    assert (len(moved) > 0) == (len(labels) > 0)  # a crop never loses all objects
    assert set(moved[:, 0]) <= set(labels[:, 0])
    assert (moved[:, 1:] >= 0).all() and (moved[:, 1:] <= 1).all()
    assert (moved[:, 1:3] < moved[:, 3:]).all()


@pytest.mark.parametrize("name", ["random_crop", "random_flip", "zoom_out"])
@pytest.mark.parametrize("seed", range(12))
def test_boxes_follow_the_pixels(name, seed):
    labels = np.array([[0, 0.125, 0.25, 0.5, 0.75]], dtype=np.float32)
    seed_everything(seed)
    image, moved = TRANSFORMS[name](mark(labels), labels)
    rows, columns = np.nonzero(image[:, :, 0] == 100)
    height, width = image.shape[:2]
    found = [columns.min() / width, rows.min() / height]
    found += [(columns.max() + 1) / width, (rows.max() + 1) / height]
    np.testing.assert_allclose(moved[0, 1:], found, atol=1e-6)


def test_a_crop_needs_one_object_that_it_overlaps_enough(monkeypatch):
    """The second object is so small and far away that no crop could fulfil it for both."""
    labels = np.array([[0, 0, 0, 0.5, 0.5], [1, 0.8, 0.8, 1, 1]], dtype=np.float32)
    monkeypatch.setattr(data, "CROP_CONDITIONS", (0.5,))
    seed_everything(0)
    crops = [data.random_crop(np.zeros((100, 200, 3), np.uint8), labels) for _ in range(100)]
    cropped = [rows for image, rows in crops if image.shape != (100, 200, 3)]
    assert len(cropped) > 50
    for rows in cropped:  # an IoU of 0.5 fills half of the crop
        assert rows[0, 0] == 0 and (rows[0, 3:] - rows[0, 1:3]).prod() > 0.49


def test_a_crop_drops_what_has_its_centre_outside_and_clips_the_rest():
    window_px = np.array([0, 10, 30, 40])
    image, labels = data.crop(IMAGE, LABELS, window_px)
    np.testing.assert_array_equal(image, IMAGE[10:40, :30])
    expected = [[0, 6 / 30, 0, 1, 18 / 30]]  # of 6, 8, 30, 28
    np.testing.assert_allclose(labels, expected, atol=1e-6)


def test_windows_are_parts_of_the_image_of_moderate_shape():
    seed_everything(0)
    assert {tuple(data.draw_window(1, 1)) for _ in range(99)} == {(0, 0, 1, 1)}
    windows = np.array([data.draw_window(60, 40) for _ in range(500)])
    shares = (windows[:, 2:] - windows[:, :2]) / (60, 40)
    assert (windows[:, :2] >= 0).all() and (windows[:, 2:] <= (60, 40)).all()
    assert 0.25 < np.sqrt(shares.prod(axis=1)).min() < 0.35 and shares.max() > 0.95
    assert (shares[:, 0] / shares[:, 1]).max() < 2.3 and (shares[:, 0] / shares[:, 1]).min() > 0.43


def test_random_flip_mirrors_every_other_time():
    seed_everything(0)
    flipped = [data.random_flip(IMAGE, LABELS)[1][0, 1] != LABELS[0, 1] for _ in range(200)]
    assert 70 < sum(flipped) < 130


def test_zoom_out_keeps_every_pixel_on_a_canvas_of_the_mean():
    seed_everything(0)
    canvases = [data.zoom_out(IMAGE, LABELS) for _ in range(60)]
    ratios = np.array([image.shape[0] / IMAGE.shape[0] for image, _ in canvases])
    assert 15 < (ratios > 1).sum() < 45 and 3 < ratios.max() <= 4
    image, labels = canvases[int(ratios.argmax())]
    left, top = np.rint(data.to_pixels(labels, *image.shape[1::-1])[0, :2] - (6, 8)).astype(int)
    np.testing.assert_array_equal(image[top : top + 40, left : left + 60], IMAGE)
    image[top : top + 40, left : left + 60] = np.round(data.MEAN)
    np.testing.assert_array_equal(image, np.broadcast_to(np.round(data.MEAN), image.shape))


def test_flipping_twice_restores_the_sample(monkeypatch):
    monkeypatch.setattr(np.random, "random", lambda: 0.9)
    image, labels = data.random_flip(*data.random_flip(IMAGE, LABELS))
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_allclose(labels, LABELS, atol=1e-6)


def test_color_jitter_changes_colours_and_nothing_else():
    seed_everything(1)
    image, labels = data.color_jitter(IMAGE, LABELS)
    assert image.shape == IMAGE.shape and (image != IMAGE).any()
    assert labels is LABELS


@pytest.mark.parametrize("hue_degrees", [36, 180])
def test_color_jitter_turns_the_hue_by_no_more_than_it_may(hue_degrees):
    seed_everything(0)
    color = np.array([150, 110, 120])
    image = np.broadcast_to(color, (4, 4, 3)).astype(np.uint8)
    plane = np.array([[0.596, -0.274, -0.321], [0.211, -0.523, 0.311]]).T  # I and Q of YIQ
    turned = [data.color_jitter(image, None, hue_degrees)[0][0, 0] @ plane for _ in range(300)]
    angles = np.degrees(
        [np.angle(complex(*i_and_q) / complex(*(color @ plane))) for i_and_q in turned]
    )
    assert 0.8 * hue_degrees < np.abs(angles).max() < hue_degrees + 5  # rounded to whole numbers


def test_transforms_leave_their_input_alone():
    image, labels = IMAGE.copy(), LABELS.copy()
    seed_everything(3)
    for transform in TRANSFORMS.values():
        transform(image, labels)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(labels, LABELS)


def test_pad_labels_fills_up_with_minus_one():
    np.testing.assert_array_equal(data.pad_labels(LABELS, 4)[2:], np.full((2, 5), -1))
    np.testing.assert_array_equal(data.pad_labels(NO_LABELS, 1), np.full((1, 5), -1))


def test_normalize_gives_zero_mean_and_channels_first():
    mean_image = np.broadcast_to(np.array(data.MEAN), (1, 8, 4, 3))
    normalized = data.normalize(data.nd.array(mean_image)).asnumpy()
    assert normalized.shape == (1, 3, 8, 4)
    np.testing.assert_allclose(normalized, 0, atol=1e-6)
    one_std_up = data.normalize(data.nd.array(mean_image + np.array(data.STD))).asnumpy()
    np.testing.assert_allclose(one_std_up, 1, atol=1e-5)


def test_training_loader_shuffles_and_drops_the_rest():
    dataset = rectangles(10)
    seed_everything(0)
    batches = [labels.asnumpy() for _, labels in data.training_loader(dataset, 4, 32)]
    assert [batch.shape for batch in batches] == [(4, 1, 5)] * 2
    seed_everything(0)
    again = [labels.asnumpy() for _, labels in data.training_loader(dataset, 4, 32)]
    np.testing.assert_array_equal(batches, again)
    other = [labels.asnumpy() for _, labels in data.training_loader(dataset, 4, 32)]
    assert (np.array(batches) != np.array(other)).any()


def test_evaluation_loader_keeps_every_sample_in_order():
    dataset = rectangles(10)
    batches = list(data.evaluation_loader(dataset, 4, 32))
    assert [images.shape for images, _ in batches] == [(4, 32, 32, 3)] * 2 + [(2, 32, 32, 3)]
    labels = np.concatenate([labels.asnumpy() for _, labels in batches])
    np.testing.assert_array_equal(labels, [rows for _, rows in dataset])


def test_batches_pad_to_the_fullest_image():
    dataset = data.DetectionDataset([(IMAGE, LABELS), (IMAGE, NO_LABELS)], ["a", "b", "c"])
    ((images, labels),) = data.evaluation_loader(dataset, 2, 32)
    assert images.dtype == np.uint8 and labels.shape == (2, 2, 5)
    np.testing.assert_array_equal(labels[1].asnumpy(), np.full((2, 5), -1))


def test_batches_without_any_object_are_legal():
    dataset = data.DetectionDataset([(IMAGE, NO_LABELS)], ["a"])
    ((_, labels),) = data.evaluation_loader(dataset, 1, 32)
    np.testing.assert_array_equal(labels.asnumpy(), np.full((1, 1, 5), -1))


def test_open_records_reads_what_was_written(tmp_path):
    write_records(tmp_path / "few", [(IMAGE, LABELS), (IMAGE, NO_LABELS)])
    dataset = data.open_records(tmp_path / "few.rec", ["a", "b", "c"])
    assert dataset.class_names == ("a", "b", "c") and dataset.max_objects == 2
    np.testing.assert_allclose(dataset[0][1], LABELS)
    assert dataset[1][1].shape == (0, 5)


def test_open_records_names_the_bad_record(tmp_path):
    spoiled = LABELS.copy()
    spoiled[1, 3] = 54.0  # pixels
    write_records(tmp_path / "few", [(IMAGE, LABELS), (IMAGE, spoiled)])
    with pytest.raises(RecordError, match=r"few\.rec record 1, object 1: xmax is 54.*divide"):
        data.open_records(tmp_path / "few.rec", ["a", "b", "c"])


@pytest.mark.parametrize("change, bound", [(150, 255), (-250, 0)])
def test_colours_beyond_the_bounds_stay_at_the_bounds(monkeypatch, change, bound):
    monkeypatch.setattr(data, "random_color_distort", lambda image, **options: image + change)
    image, _ = data.color_jitter(np.full((8, 8, 3), 200, dtype=np.uint8), LABELS)
    assert (image == bound).all()


def test_training_data_come_in_another_order_every_time():
    dataset = rectangles(12)
    expected = [rows.tolist() for _, rows in dataset]
    orders = []
    for _ in range(2):
        batches = data.training_loader(dataset, 4, 32, transform=data.resize)
        orders.append(np.concatenate([labels.asnumpy() for _, labels in batches]).tolist())
        assert sorted(orders[-1]) == sorted(expected) and orders[-1] != expected
    assert orders[0] != orders[1]


def test_normalising_is_that_of_imagenet():
    images = data.nd.array(np.random.default_rng(0).integers(0, 256, (2, 8, 4, 3)), dtype=np.uint8)
    expected = data.nd.image.normalize(
        data.nd.image.to_tensor(images),  # red, green, blue in 0..1
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    np.testing.assert_allclose(data.normalize(images).asnumpy(), expected.asnumpy(), atol=1e-4)
