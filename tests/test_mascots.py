"""The renderer: exact silhouettes, right order in depth, even poses, mascots that differ."""

from data.mascots import (
    MASCOTS,
    SUPERSAMPLING,
    Ellipsoid,
    random_light,
    random_rotation,
    render,
)

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

FRONT_LIGHT = np.array([0.0, 0.0, 1.0])
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def poses(count, seed=0):
    rng = np.random.default_rng(seed)
    return [(random_rotation(rng), random_light(rng)) for _ in range(count)]


def test_a_ball_is_a_disc_of_the_asked_diameter():
    alpha = render([Ellipsoid((3, -2, 1), (0.5, 0.5, 0.5), RED)], np.eye(3), FRONT_LIGHT, 60)[
        ..., 3
    ]
    assert alpha.shape == (60, 60)
    assert alpha.sum() == pytest.approx(np.pi * 30**2, rel=2e-3)
    np.testing.assert_allclose(alpha, alpha[::-1], atol=1e-6)
    np.testing.assert_allclose(alpha, alpha.T, atol=1e-6)


def test_alpha_is_the_share_of_rays_inside_the_projected_ellipse():
    """A turned ellipsoid's shadow is an ellipse with the upper left of its covariance."""
    part = Ellipsoid((0, 0, 0), (1.0, 0.5, 0.3), RED, (30, 40, 50))
    rotation, light = poses(1)[0]
    alpha = render([part], rotation, light, 80)[..., 3]

    axes = rotation @ Rotation.from_euler("xyz", part.angles, degrees=True).as_matrix()
    covariance = (axes @ np.diag(np.square(part.radii)) @ axes.T)[:2, :2]
    half_width, half_height = reach = np.sqrt(np.diag(covariance))
    scale = 40 / reach.max()
    height, width = alpha.shape
    x = (np.arange(width * SUPERSAMPLING) + 0.5) / SUPERSAMPLING / scale - half_width
    y = half_height - (np.arange(height * SUPERSAMPLING) + 0.5) / SUPERSAMPLING / scale
    points = np.stack(np.meshgrid(x, y), axis=-1)
    inside = np.einsum("hwi,ij,hwj->hw", points, np.linalg.inv(covariance), points) < 1
    rays = inside.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
    np.testing.assert_allclose(alpha, rays.mean(axis=(1, 3)), atol=1e-6)
    assert len(np.unique(alpha)) > 5, "edges are anti-aliased"


def test_the_part_nearer_to_the_viewer_hides_the_other():
    near, far = Ellipsoid((0, 0, 1), (1, 1, 1), RED), Ellipsoid((0, 0, -1), (1, 1, 1), BLUE)
    for parts in ([near, far], [far, near]):
        image = render(parts, np.eye(3), FRONT_LIGHT, 21)
        red, _, blue, _ = image[10, 10]
        assert red > 0.9 > blue
    half_turn = np.diag([-1.0, 1.0, -1.0])
    red, _, blue, _ = render([near, far], half_turn, FRONT_LIGHT, 21)[10, 10]
    assert blue > 0.9 > red


def test_the_side_towards_the_light_is_brighter():
    ball = [Ellipsoid((0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5))]
    image = render(ball, np.eye(3), np.array([0.8, 0.0, 0.6]), 41)
    assert image[20, 30, 0] > image[20, 10, 0] + 0.1
    image = render(ball, np.eye(3), np.array([0.0, 0.8, 0.6]), 41)
    assert image[10, 20, 0] > image[30, 20, 0] + 0.1


def test_stripes_take_their_share_of_a_part():
    part = Ellipsoid((0, 0, 0), (0.5, 0.5, 1.0), RED, (0, 0, 0), BLUE, 3)
    side = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    image = render([part], side, FRONT_LIGHT, 60)
    blue = (image[..., 2] > image[..., 0])[image[..., 3] == 1].mean()
    assert 0.25 < blue < 0.75


@pytest.mark.parametrize("name", MASCOTS)
def test_longer_side_is_exact_in_every_pose(name):
    for index, (rotation, light) in enumerate(poses(12)):
        side_px = 20 + 11.25 * index  # every fourth is whole
        image = render(MASCOTS[name], rotation, light, side_px)
        assert max(image.shape[:2]) == np.ceil(side_px)
        rows, columns = np.nonzero(image[..., 3] > 0)
        # A tip thinner than the rays' spacing may fall between them.
        assert abs(max(np.ptp(rows), np.ptp(columns)) + 1 - side_px) <= 1.5
        assert image.dtype == np.float32 and image.min() >= 0
        assert (image[..., :3] <= image[..., 3:] + 1e-6).all(), "colour is premultiplied by alpha"


def test_the_same_arguments_give_the_same_picture():
    rotation, light = poses(1)[0]
    first, second = (render(MASCOTS["frill"], rotation, light, 50) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_poses_cover_the_sphere_evenly():
    rng = np.random.default_rng(0)
    rotations = np.array([random_rotation(rng) for _ in range(2000)])
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), [np.eye(3)] * 2000, atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    for axis in range(3):  # where the mascot's x, y and z axes point
        octants = (rotations[:, :, axis] > 0) @ [1, 2, 4]
        shares = np.bincount(octants, minlength=8) / 2000
        np.testing.assert_allclose(shares, 1 / 8, atol=0.03)
        assert np.abs(rotations[:, :, axis]).mean() == pytest.approx(0.5, abs=0.02)


def test_light_comes_from_the_viewers_side():
    rng = np.random.default_rng(0)
    lights = np.array([random_light(rng) for _ in range(500)])
    np.testing.assert_allclose(np.linalg.norm(lights, axis=1), 1)
    assert lights[:, 2].min() >= 0.3
    assert np.abs(lights[:, :2].mean(axis=0)).max() < 0.1


def test_mascots_are_told_apart_from_every_side():
    """The nearest mean colour over other poses names the mascot."""

    def mean_colours(seed):
        return {
            name: np.array(
                [
                    image[..., :3].sum(axis=(0, 1)) / image[..., 3].sum()
                    for image in (render(MASCOTS[name], *pose, 40) for pose in poses(20, seed))
                ]
            )
            for name in MASCOTS
        }

    references = {name: colours.mean(axis=0) for name, colours in mean_colours(seed=1).items()}
    for name, colours in mean_colours(seed=2).items():
        for colour in colours:
            nearest = min(references, key=lambda other: np.linalg.norm(references[other] - colour))
            assert nearest == name


@pytest.mark.parametrize("side_px", [0, -3, float("nan")])
def test_a_size_that_is_not_above_zero_is_refused(side_px):
    with pytest.raises(ValueError, match="side_px"):
        render(MASCOTS["frill"], np.eye(3), FRONT_LIGHT, side_px)


def test_a_ball_lit_from_the_front_is_shaded_alike_on_all_sides():
    image = render([Ellipsoid((0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5))], np.eye(3), FRONT_LIGHT, 15)
    for turned in (image[::-1], image[:, ::-1], image.transpose(1, 0, 2)):
        np.testing.assert_allclose(image, turned, atol=1e-4)
