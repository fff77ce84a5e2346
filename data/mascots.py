"""Three mascots of our own design, ray-cast from ellipsoids.

A mascot is a list of ellipsoids in model space: x to its left hand, y up, z to where it looks. A
ray along the viewing axis meets an ellipsoid where a quadratic has a root, so silhouette, depth and
normal are exact and no mesh is needed. `render` is a pure function of its arguments.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy

SUPERSAMPLING = 3  # rays per pixel along each axis
AMBIENT, DIFFUSE, SPECULAR, SHININESS = 0.60, 0.55, 0.30, 24
FACING = 0.25  # how much a surface darkens as it turns away from the viewer

PINK, BLUSH, PLUM = (1.00, 0.24, 0.62), (1.00, 0.55, 0.72), (0.50, 0.10, 0.72)
TEAL, LEAF, DEEP_TEAL = (0.05, 0.80, 0.74), (0.45, 0.85, 0.10), (0.02, 0.50, 0.55)
LEMON, INDIGO = (1.00, 0.90, 0.05), (0.22, 0.12, 0.62)
CREAM, ORANGE = (1.00, 0.94, 0.80), (1.00, 0.55, 0.08)
INK, WHITE = (0.05, 0.04, 0.08), (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Ellipsoid:
    """One part of a mascot: centre, radii, rotation (Euler angles xyz, degrees), RGB in 0..1.

    With a `stripe` colour, `stripe_count` bands run across the part's own z axis.
    """

    center: tuple
    radii: tuple
    colour: tuple
    angles: tuple = (0.0, 0.0, 0.0)
    stripe: tuple | None = None
    stripe_count: int = 0


def _pair(part):
    """The part and its mirror image at the other side of the plane x = 0."""
    (x, y, z), (about_x, about_y, about_z) = part.center, part.angles
    return [part, replace(part, center=(-x, y, z), angles=(about_x, -about_y, -about_z))]


def _on_surface(part, x, y):
    """The point of an unrotated part's front at (x, y)."""
    (center_x, center_y, center_z), (radius_x, radius_y, radius_z) = part.center, part.radii
    inside = 1 - ((x - center_x) / radius_x) ** 2 - ((y - center_y) / radius_y) ** 2
    return (x, y, center_z + radius_z * np.sqrt(inside))


def _smile(head, y, half_width, depth, dots=17, radius=0.03):
    """A row of dots on the front of the head, hanging `depth` lower in the middle."""
    return [
        Ellipsoid(
            _on_surface(head, t * half_width, y - depth * (1 - t * t)),
            (radius, radius, radius),
            INK,
        )
        for t in np.linspace(-1, 1, dots)
    ]


def _unit(vector):
    return vector / np.linalg.norm(vector)


def _eyes(head, x, y, radius, white=False):
    """Two eyes on the front of the head: (white,) pupil and a glint."""
    parts = []
    place = np.array(_on_surface(head, x, y))
    outward = _unit((place - head.center) / np.square(head.radii))
    if white:
        parts += _pair(Ellipsoid(tuple(place), (radius,) * 3, WHITE))
        outward = _unit(outward + (-0.15, 0, 1.0))  # a little cross-eyed, to look ahead
        place, radius = place + outward * radius * 0.55, radius * 0.62
    parts += _pair(Ellipsoid(tuple(place), (radius, radius * 1.1, radius), INK))
    glint = place + radius * 0.80 * _unit(outward + (0.0, 0.6, 0.1))
    return parts + _pair(Ellipsoid(tuple(glint), (radius * 0.34,) * 3, WHITE))


def _frill():
    """Pink, upright, plum gills at both sides of a broad head, a long tail."""
    head = Ellipsoid((0, 0.42, 0.04), (0.62, 0.50, 0.50), PINK)
    parts = [
        head,
        Ellipsoid((0, -0.32, 0), (0.42, 0.50, 0.38), PINK),
        Ellipsoid((0, -0.34, 0.11), (0.34, 0.41, 0.32), CREAM),
        Ellipsoid((0, -0.48, -0.48), (0.16, 0.22, 0.44), PINK, (20, 0, 0)),
        Ellipsoid((0, -0.34, -0.72), (0.07, 0.30, 0.28), PLUM, (20, 0, 0)),
        Ellipsoid((0, 0.90, -0.06), (0.07, 0.20, 0.26), PLUM),
    ]
    for angle, length in ((48, 0.30), (8, 0.34), (-32, 0.28)):
        radians = np.radians(angle)
        middle = (0.74 * np.cos(radians), 0.42 + 0.66 * np.sin(radians), -0.10)
        parts += _pair(Ellipsoid(middle, (length, 0.12, 0.10), PLUM, (0, 20, angle)))
    parts += _pair(Ellipsoid((0.44, -0.14, 0.16), (0.12, 0.26, 0.12), PINK, (-35, 0, 35)))
    parts += _pair(Ellipsoid((0.23, -0.76, 0.12), (0.17, 0.13, 0.25), PINK))
    parts += _pair(Ellipsoid(_on_surface(head, 0.42, 0.30), (0.11, 0.08, 0.05), BLUSH))
    return parts + _eyes(head, 0.27, 0.52, 0.11) + _smile(head, 0.33, 0.17, 0.08)


def _sprig():
    """Teal and egg-shaped, two leaves on its crown, a beak, orange feet, dots on its back."""
    body = Ellipsoid((0, 0, 0), (0.64, 0.74, 0.60), TEAL)
    parts = [
        body,
        Ellipsoid((0, -0.20, 0.12), (0.48, 0.48, 0.51), CREAM),
        Ellipsoid((0, 0.80, 0), (0.06, 0.16, 0.06), LEAF),
        Ellipsoid((0, 0.12, 0.64), (0.15, 0.09, 0.16), ORANGE),
        Ellipsoid((0, -0.34, -0.66), (0.19, 0.19, 0.19), LEAF),
    ]
    parts += _pair(Ellipsoid((0.30, 1.00, 0), (0.34, 0.15, 0.09), LEAF, (20, 0, 32)))
    parts += _pair(Ellipsoid((0.66, -0.08, 0.08), (0.13, 0.34, 0.22), DEEP_TEAL, (0, 0, 28)))
    parts += _pair(Ellipsoid((0.27, -0.72, 0.18), (0.20, 0.12, 0.30), ORANGE, (0, 15, 0)))
    for x, y, size in ((0.0, 0.42, 0.17), (0.30, 0.14, 0.14), (0.22, -0.30, 0.12)):
        x_, y_, z_ = _on_surface(body, x, y)
        dots = Ellipsoid((x_, y_, -z_), (size, size, 0.10), DEEP_TEAL)
        parts += _pair(dots) if x else [dots]
    return parts + _eyes(body, 0.24, 0.34, 0.17, white=True)


def _zest():
    """Lemon with indigo bands, four legs, two horns, round ears and a tufted tail."""
    head = Ellipsoid((0, 0.34, 0.58), (0.46, 0.42, 0.40), LEMON)
    parts = [
        head,
        Ellipsoid((0, 0, -0.10), (0.44, 0.42, 0.68), LEMON, (0, 0, 0), INDIGO, 3),
        Ellipsoid((0, 0.20, 0.90), (0.24, 0.17, 0.14), CREAM),
        Ellipsoid((0, 0.28, 1.03), (0.09, 0.06, 0.05), INK),
        Ellipsoid((0, 0.22, -0.82), (0.08, 0.08, 0.28), LEMON, (40, 0, 0)),
        Ellipsoid((0, 0.44, -1.00), (0.17, 0.19, 0.17), INDIGO),
    ]
    parts += _pair(Ellipsoid((0.24, 0.78, 0.50), (0.10, 0.26, 0.10), INDIGO, (-15, 0, -20)))
    parts += _pair(Ellipsoid((0.46, 0.60, 0.48), (0.17, 0.17, 0.08), LEMON))
    parts += _pair(Ellipsoid((0.46, 0.60, 0.53), (0.11, 0.11, 0.06), PINK))
    for z in (0.30, -0.48):
        parts += _pair(Ellipsoid((0.25, -0.38, z), (0.15, 0.26, 0.16), LEMON))
        parts += _pair(Ellipsoid((0.25, -0.56, z + 0.03), (0.17, 0.10, 0.19), INDIGO))
    return parts + _eyes(head, 0.21, 0.44, 0.10)


MASCOTS = {"frill": tuple(_frill()), "sprig": tuple(_sprig()), "zest": tuple(_zest())}


def random_rotation(rng):
    """A rotation matrix (3, 3), uniform over all orientations: a normalised Gaussian quaternion."""
    return scipy.spatial.transform.Rotation.from_quat(rng.normal(size=4)).as_matrix()


def random_light(rng):
    """A unit vector (3,) towards the light, uniform over the cap around the viewer (z >= 0.3)."""
    z, turn = rng.uniform(0.3, 1.0), rng.uniform(0, 2 * np.pi)
    flat = np.sqrt(1 - z * z)
    return np.array([flat * np.cos(turn), flat * np.sin(turn), z])


def _place(parts, rotation, side):
    """Turn and scale the parts so that the longer side of their projection is `side` rays.

    Returns centres (P, 3), principal axes (P, 3, 3), radii (P, 3) and the projection's extent
    (width, height), in rays from its upper left corner: x to the right, y down, z to the viewer.
    """
    view = np.diag([1.0, -1.0, 1.0]) @ rotation
    angles = np.array([part.angles for part in parts])
    turn = scipy.spatial.transform.Rotation.from_euler("xyz", angles, degrees=True)
    axes = view @ turn.as_matrix()
    centers = np.array([part.center for part in parts]) @ view.T
    radii = np.array([part.radii for part in parts])
    reach = _reach(axes, radii)
    low, high = (centers - reach).min(axis=0), (centers + reach).max(axis=0)
    scale = side / (high - low)[:2].max()
    return (centers - [*low[:2], 0]) * scale, axes, radii * scale, (high - low)[:2] * scale


def _reach(axes, radii):
    """How far each ellipsoid extends from its centre along x, y and z: (P, 3)."""
    return np.sqrt(np.square(axes * radii[:, None, :]).sum(axis=2))


def _cast(centers, forms, reach, shape):
    """The front-most part (H, W), -1 for none, and its depth (H, W) along each ray of a grid.

    A part is the set of points p with (p - centre)^T form (p - centre) <= 1.
    """
    nearest = np.full(shape, -1, np.int16)
    depth = np.full(shape, -np.inf, np.float32)
    for index, (center, form, extent) in enumerate(zip(centers, forms, reach)):
        left, top = np.maximum(center - extent, 0)[:2].astype(int)
        right, bottom = np.ceil(center + extent)[:2].astype(int)
        window = (slice(top, bottom), slice(left, right))
        rows, columns = nearest[window].shape
        dx = np.arange(left, left + columns)[None, :] + 0.5 - center[0]
        dy = np.arange(top, top + rows)[:, None] + 0.5 - center[1]
        half_linear = form[0, 2] * dx + form[1, 2] * dy
        constant = form[0, 0] * dx**2 + 2 * form[0, 1] * dx * dy + form[1, 1] * dy**2 - 1
        discriminant = half_linear**2 - form[2, 2] * constant
        root = np.sqrt(np.maximum(discriminant, 0))
        z = center[2] + (root - half_linear) / form[2, 2]
        closer = (discriminant > 0) & (z > depth[window])
        depth[window][closer] = z[closer]
        nearest[window][closer] = index
    return nearest, depth


def _colours(parts, axes, radii, hit, offsets):
    """RGB (K, 3) of the surface points at `offsets` (K, 3) from the centres of the parts `hit`."""
    colours = np.array([part.colour for part in parts], np.float32)[hit]
    for index, part in enumerate(parts):
        if part.stripe is not None:
            along = offsets @ (axes[index][:, 2] / radii[index][2]).astype(np.float32)  # -1 to 1
            phase = np.sin(np.pi * (part.stripe_count * along + 0.5))
            colours[(hit == index) & (phase < -0.1)] = part.stripe
    return colours


def _shade(colours, normals, light):
    """RGB (K, 3) of surfaces with `normals` (K, 3) under a light from the direction (3,)."""
    light = light.astype(np.float32)
    halfway = _unit(light + np.float32([0, 0, 1]))
    lambert = np.maximum(normals @ light, 0)[:, None]
    glossy = np.maximum(normals @ halfway, 0)[:, None] ** SHININESS
    facing = 1 - FACING * (1 - normals[:, 2:])
    return np.clip(colours * (AMBIENT + DIFFUSE * lambert) * facing + SPECULAR * glossy, 0, 1)


def render(parts, rotation, light, side_px):
    """Render a mascot, orthographic, so that its projection's longer side is `side_px` pixels.

    parts: sequence of Ellipsoid. rotation: (3, 3), model to view; x points to the right, y up and
    z to the viewer. light: unit vector (3,) towards the light in view space. side_px: float.
    Returns (H, W, 4) float32 in 0..1: RGB premultiplied by alpha, and alpha (the covered share of
    the pixel), on the smallest canvas that holds the projection. Raises ValueError.
    Source: ray and quadric intersection (Roth, Ray Casting for Modeling Solids, 1982); shading
    after Blinn (Models of Light Reflection for Computer Synthesized Pictures, 1977).
    """
    if not side_px > 0:
        raise ValueError(f"side_px is {side_px}; it must be above 0")
    centers, axes, radii, extent = _place(parts, rotation, side_px * SUPERSAMPLING)
    width, height = np.ceil(np.round(extent / SUPERSAMPLING, 6)).astype(int)
    forms = np.einsum("pik,pk,pjk->pij", axes, 1 / np.square(radii), axes)
    shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
    nearest, depth = _cast(centers, forms, _reach(axes, radii), shape)

    rows, columns = np.nonzero(nearest >= 0)
    hit = nearest[rows, columns]
    points = np.stack([columns + 0.5, rows + 0.5, depth[rows, columns]], axis=1)
    offsets = (points - centers[hit]).astype(np.float32)
    normals = np.einsum("nij,nj->ni", forms.astype(np.float32)[hit], offsets)
    normals /= np.sqrt(np.einsum("ni,ni->n", normals, normals))[:, None]
    colours = _colours(parts, axes, radii, hit, offsets)
    fine = np.zeros((*shape, 4), np.float32)
    fine[rows, columns, :3] = _shade(colours, normals, light * [1, -1, 1])
    fine[rows, columns, 3] = 1
    return cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA)
