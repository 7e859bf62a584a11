"""Landscapes made of numbers, for the sample photos: nobody's picture is in this repository.

Each scene is a function of a seed and some colours, and always gives the same pixels. A canvas is
an array of height x width x RGB, linear enough for the eye, 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Array: TypeAlias = npt.NDArray[np.floating[Any]]
Colour: TypeAlias = str  # "#rrggbb"


def rgb(colour: Colour) -> Array:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], dtype=np.float32)


@dataclass
class Canvas:
    """A picture that is being painted, from the back to the front."""

    width: int
    height: int
    seed: int

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.x = np.linspace(0, 1, self.width, dtype=np.float32)[None, :]
        self.y = np.linspace(0, 1, self.height, dtype=np.float32)[:, None]
        self.aspect = self.width / self.height
        self.pixels: Array = np.zeros((self.height, self.width, 3), dtype=np.float32)

    # --- light ---------------------------------------------------------------------------

    def gradient(self, *stops: Colour, top: float = 0.0, bottom: float = 1.0) -> None:
        """Fill with colours from `top` to `bottom`, evenly spaced."""
        at = np.linspace(top, bottom, len(stops))
        colours = np.array([rgb(stop) for stop in stops])
        rows = [np.interp(self.y[:, 0], at, colours[:, band]) for band in range(3)]
        self.pixels[:] = np.stack(rows, axis=1)[:, None, :]

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Add light that fades out around a point; lengths are shares of the height."""
        distance = np.hypot((self.x - x) * self.aspect, self.y - y) / radius
        self.add(np.exp(-(distance**2)) * strength, colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> Array:
        """Paint a disc with a smooth rim; return its mask."""
        distance = np.hypot((self.x - x) * self.aspect, self.y - y)
        mask: Array = np.clip((radius - distance) * self.height / 2 + 0.5, 0, 1)
        self.blend(mask, colour)
        return mask

    def add(self, light: Array, colour: Colour, window: tuple[Array, ...] | None = None) -> None:
        """Add light like a second exposure does, so that nothing burns out; in a window if given.

        The window is what `np.ix_` makes of rows and columns, and the light is that of the window.
        """
        kept = 1 - light[..., None].astype(np.float32) * rgb(colour)
        if window is None:
            self.pixels = 1 - (1 - self.pixels) * kept
        else:
            self.pixels[window] = 1 - (1 - self.pixels[window]) * kept

    def blend(self, mask: Array, colour: Colour | Array) -> None:
        paint = rgb(colour) if isinstance(colour, str) else colour
        self.pixels += (paint - self.pixels) * mask[..., None]

    # --- texture -------------------------------------------------------------------------

    def noise(self, across: float, down: float, octaves: int = 5) -> Array:
        """Return clouds of values around 0.5, with so many large features each way."""
        total = np.zeros((self.height, self.width), dtype=np.float32)
        scale, weight = 1.0, 0.5
        for _ in range(octaves):
            cells = (max(2, round(down * scale)), max(2, round(across * scale)))
            grid = Image.fromarray(self.random.random(cells, dtype=np.float32))
            big = grid.resize((self.width, self.height), Image.Resampling.BICUBIC)
            total += weight * np.asarray(big)
            scale, weight = scale * 2, weight / 2
        clouds: Array = np.clip(total / (1 - 0.5**octaves), 0, 1)
        return clouds

    def clouds(self, colour: Colour, amount: float, top: float, bottom: float) -> None:
        """Drift clouds between two heights, stretched along the wind."""
        veil = self.noise(4, 14, 6)
        band = np.clip(1 - np.abs(self.y - (top + bottom) / 2) * 2 / (bottom - top), 0, 1)
        self.blend(np.clip((veil - 0.5) * 3.2, 0, 1) * band * amount, colour)

    def stars(self, count: int, bottom: float) -> None:
        sky = np.zeros((self.height, self.width), dtype=np.float32)
        columns = self.random.integers(1, self.width - 1, count)
        rows = (self.random.random(count) ** 1.2 * bottom * (self.height - 2)).astype(int) + 1
        shine = self.random.random(count).astype(np.float32) ** 5
        for away, share in (((0, 0), 1.0), ((0, 1), 0.45), ((1, 0), 0.45), ((1, 1), 0.25)):
            np.maximum.at(sky, (rows + away[0], columns + away[1]), (0.15 + shine) * share)
        self.add(np.clip(sky, 0, 1), "#f4f0ff")

    # --- land ----------------------------------------------------------------------------

    def line(self, base: float, rise: float, features: float, roughness: float) -> Array:
        """Return a skyline, one height per column, that rises from `base` by up to `rise`."""
        line = np.zeros(self.width, dtype=np.float32)
        scale, weight, total = features, 1.0, 0.0
        while scale < self.width / 3 and weight > 0.004:
            knots = np.linspace(0, 1, max(3, round(scale) + 2))
            heights = self.random.random(len(knots))
            place = self.x[0] * (len(knots) - 1)
            left = np.minimum(place.astype(int), len(knots) - 2)
            part = place - left
            part = part * part * (3 - 2 * part)
            line += weight * (heights[left] * (1 - part) + heights[left + 1] * part)
            total, scale, weight = total + weight, scale * 2, weight * roughness
        return base - rise * line / total

    def land(self, line: Array, upper: Colour, lower: Colour, depth: float) -> Array:
        """Fill below a skyline, from one colour at it to another `depth` below; return the mask."""
        below = self.y - line[None, :]
        mask = np.clip(below * self.height + 0.5, 0, 1)
        share = np.clip(below / depth, 0, 1)[..., None]
        self.blend(mask, rgb(upper) * (1 - share) + rgb(lower) * share)
        return mask

    def spruces(self, line: Array, size: float, density: int, colour: Colour) -> None:
        """Plant a wood along a skyline."""
        scale = 2
        mask = Image.new("L", (self.width * scale, self.height * scale))
        draw = ImageDraw.Draw(mask)
        for column in np.sort(self.random.integers(-20, self.width + 20, density)):
            foot = line[int(np.clip(column, 0, self.width - 1))] * self.height + 6
            tall = size * self.height * (0.45 + 0.75 * self.random.random() ** 1.5)
            tiers = 9
            for tier in range(tiers):
                top = foot - tall * (1 - tier / tiers * 0.92)
                wide = (
                    tall * (0.02 + 0.17 * (tier + 1) / tiers) * (0.85 + 0.3 * self.random.random())
                )
                low = top + tall * 0.2
                points = ((column, top), (column + wide, low), (column - wide, low))
                draw.polygon([(x * scale, y * scale) for x, y in points], fill=255)
            draw.rectangle(
                [(column - 1.5) * scale, (foot - tall * 0.1) * scale,
                 (column + 1.5) * scale, (foot + 20) * scale], fill=255,
            )  # fmt: skip
        small = mask.resize((self.width, self.height), Image.Resampling.BOX)
        self.blend(np.asarray(small, dtype=np.float32) / 255, colour)

    # --- water ---------------------------------------------------------------------------

    def mirror(self, horizon: float, tint: Colour, strength: float, waves: float = 1.0) -> None:
        """Turn what is below `horizon` into water that shows what is above it."""
        first = round(horizon * self.height)
        rows = np.arange(first, self.height)
        near = (rows - first) / max(1, self.height - first)
        ripple = (self.noise(10, 60, 3)[first:] - 0.5) * (4 + 46 * near[:, None]) * waves
        source = np.clip(2 * first - rows[:, None] - 1 + ripple, 0, first - 1).astype(int)
        water = self.pixels[source, np.arange(self.width)[None, :]]
        share = np.clip(strength + 0.35 * near, 0, 1)[:, None, None]
        self.pixels[first:] = water * (1 - share) + rgb(tint) * share

    def glitter(self, horizon: float, x: float, colour: Colour, strength: float) -> None:
        """Lay the path of the sun or moon over water."""
        near = np.clip((self.y - horizon) / (1 - horizon), 0, 1)
        # In perspective: waves are small and many at the horizon.
        depth = np.log1p(near * 24) / np.log(25)
        rows = np.minimum((depth[:, 0] * (self.height - 1)).astype(int), self.height - 1)
        waves = self.noise(26, 90, 3)[rows]
        width = 0.03 + 0.16 * near
        path = np.exp(-(((self.x - x) * self.aspect / width) ** 2))
        sparks = np.clip((waves - 0.47) * 7, 0, 1)
        self.add(sparks * path * (self.y > horizon) * strength, colour)

    # --- the end -------------------------------------------------------------------------

    def image(self, vignette: float = 0.25, grain: float = 0.012) -> Image.Image:
        """Develop the picture: darker corners and a little grain, as lenses and films do."""
        corner = ((self.x - 0.5) ** 2 + (self.y - 0.5) ** 2) * 2
        grey = self.random.standard_normal((self.height, self.width), dtype=np.float32)
        pixels = self.pixels * (1 - vignette * corner**1.3)[..., None] + grey[..., None] * grain
        return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
