"""The scenes of the sample photos: mountains, seas, dunes, nights, light. See `scenery`."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from photonic.ingest.scenery import Array, Canvas, Colour, rgb


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour between two others."""
    mixed = rgb(one) * (1 - share) + rgb(other) * share
    return "#" + "".join(f"{round(float(part) * 255):02x}" for part in mixed)


def mountains(
    canvas: Canvas, sky: tuple[Colour, ...], sun: Colour, haze: Colour, dark: Colour, at: float
) -> None:
    """Ridge behind ridge, paler with distance."""
    canvas.gradient(*sky, bottom=0.62)
    canvas.clouds(mix(sun, "#ffffff", 0.5), 0.45, 0.02, 0.42)
    canvas.glow(at, 0.44, 0.55, sun, 0.55)
    canvas.glow(at, 0.44, 0.13, "#fff6e0", 0.75)
    layers = 6
    for layer in range(layers):
        near = layer / (layers - 1)
        line = canvas.line(
            0.56 + 0.1 * layer * (0.7 + 0.3 * near), 0.3 - 0.16 * near, 3 + layer, 0.5
        )
        colour = mix(haze, dark, 0.12 + 0.88 * near**1.1)
        canvas.land(line, colour, mix(colour, haze, 0.55 * (1 - near)), 0.2)
    canvas.spruces(canvas.line(1.03, 0.06, 3, 0.5), 0.12, 130, mix(dark, "#000000", 0.45))


def peaks(
    canvas: Canvas, sky: tuple[Colour, ...], snow: Colour, rock: Colour, wood: Colour
) -> None:
    """A snowy range over a wood, mirrored in a lake."""
    canvas.gradient(*sky, bottom=0.6)
    canvas.clouds("#ffffff", 0.55, 0.0, 0.35)
    for base, rise, shade in ((0.58, 0.3, 0.45), (0.62, 0.42, 0.0)):
        line = canvas.line(base, rise, 4, 0.52)
        mask = canvas.land(line, mix(rock, sky[-1], 0.35 + shade), mix(rock, sky[-1], shade), 0.3)
        below = canvas.y - line[None, :]
        relief = canvas.noise(12, 9, 7)
        # Flanks follow the skyline's broad shape, and run down askew rather than straight.
        broad = np.convolve(np.pad(line, 30, mode="edge"), np.ones(61) / 61, mode="valid")
        askew = below * 0.55 * canvas.height + (relief - 0.5) * 420
        column = np.arange(canvas.width)[None, :] + askew * np.sign(relief.mean() - relief)
        column = np.clip(column, 0, canvas.width - 1).astype(int)
        slope = (np.gradient(broad) * canvas.width).astype(np.float32)[column]
        rough = np.gradient(relief, axis=1) * canvas.width
        light = np.clip(0.8 - slope * 0.22 - rough * 0.035, 0.42, 1.0)
        cover = np.clip((0.21 - below + (relief - 0.5) * 0.5) * 9, 0, 1) * mask
        paint = rgb(mix(snow, sky[-1], shade))[None, None, :] * light[..., None]
        canvas.blend(cover * (1 - shade * 0.4), paint)
    shore = canvas.line(0.68, 0.05, 3, 0.5)
    canvas.land(shore, wood, mix(wood, "#000000", 0.3), 0.06)
    canvas.spruces(shore + 0.01, 0.085, 420, mix(wood, "#000000", 0.35))
    canvas.mirror(0.685, mix(rock, wood, 0.5), 0.16, 0.45)


def sea(
    canvas: Canvas, sky: tuple[Colour, ...], sun: Colour, water: Colour, at: float, height: float
) -> None:
    """The sun over the water."""
    horizon = 0.6
    canvas.gradient(*sky, bottom=horizon)
    canvas.clouds(mix(sun, "#ffffff", 0.35), 0.75, 0.0, 0.5)
    canvas.clouds(mix(sky[0], "#301830", 0.35), 0.5, 0.25, 0.56)
    canvas.glow(at, height, 0.5, sun, 0.6)
    canvas.glow(at, height, 0.09, "#fff4d6", 0.6)
    canvas.disc(at, height, 0.036, "#fff8e4")
    canvas.mirror(horizon, water, 0.35, 1.3)
    canvas.glitter(horizon, at, mix(sun, "#ffffff", 0.45), 0.85)


def dunes(canvas: Canvas, sky: tuple[Colour, ...], light: Colour, shade: Colour) -> None:
    """Sand, lit from the side."""
    canvas.gradient(*sky, bottom=0.55)
    canvas.glow(0.78, 0.34, 0.6, mix(light, "#ffffff", 0.4), 0.4)
    for layer in range(5):
        near = layer / 4
        phase = canvas.random.random() * 6.28
        swing = np.sin(canvas.x[0] * (2.2 + 1.3 * canvas.random.random()) * 3.14 + phase)
        line = 0.5 + 0.12 * layer - (0.07 + 0.05 * near) * swing
        line = (line - 0.02 * np.abs(np.sin(canvas.x[0] * 7 + phase))).astype(np.float32)
        bright, dim = mix(sky[-1], light, 0.35 + 0.65 * near), mix(sky[-1], shade, 0.3 + 0.7 * near)
        mask = canvas.land(line, bright, mix(bright, dim, 0.5), 0.35)
        # The lee side: below the crest, its edge winds down the dune.
        below = canvas.y - line[None, :]
        edge = (np.gradient(line) * canvas.width)[None, :] + below * 3.2 - 0.06
        lee = np.clip(-edge * 9, 0, 1) * mask
        canvas.blend(lee * 0.9, dim)
        bend = canvas.noise(5, 4, 3) * 26
        ripples = np.sin((canvas.y * (180 - 90 * near) + bend) * (1 + near)) * 0.5 + 0.5
        canvas.blend(ripples * mask * (1 - lee) * (0.04 + 0.1 * near), dim)


def night(canvas: Canvas, sky: tuple[Colour, ...], moon: tuple[float, float, float]) -> None:
    """The moon over dark hills."""
    canvas.gradient(*sky, bottom=0.85)
    canvas.stars(1_300, 0.75)
    x, y, radius = moon
    canvas.glow(x, y, radius * 5, "#8fb0e8", 0.4)
    canvas.glow(x, y, radius * 2, "#dfe8ff", 0.35)
    mask = canvas.disc(x, y, radius, "#f3efe2")
    canvas.blend(np.clip((canvas.noise(22, 15, 4) - 0.5) * 3, 0, 1) * mask * 0.3, "#9a978f")
    canvas.clouds("#9fb4dc", 0.3, 0.3, 0.7)
    for layer in range(4):
        line = canvas.line(0.76 + 0.09 * layer, 0.15, 2 + layer, 0.48)
        canvas.land(line, mix(sky[-1], "#060a16", 0.3 + 0.23 * layer), "#04060e", 0.5)
    canvas.spruces(canvas.line(1.04, 0.07, 2, 0.4), 0.16, 90, "#02040a")


def aurora(canvas: Canvas, lights: tuple[Colour, ...], sky: tuple[Colour, ...]) -> None:
    """Northern lights over a lake."""
    horizon = 0.72
    canvas.gradient(*sky, bottom=horizon)
    canvas.stars(1_100, 0.7)
    for number, light in enumerate(lights):
        centre = canvas.line(0.5 - 0.05 * number, 0.3, 2 + number, 0.35)[None, :]
        above = centre - canvas.y
        rays = canvas.noise(26, 2, 4)
        reach = 0.04 + 0.2 * rays**1.5
        curtain = np.where(above > 0, np.exp(-np.maximum(above, 0) / reach), np.exp(above * 38))
        canvas.add(curtain * (0.15 + 1.3 * rays**1.6) * 0.9, light)
        canvas.glow(0.5, 0.42, 0.5, light, 0.09)
    hills = canvas.line(0.735, 0.1, 4, 0.5)
    canvas.land(hills, "#0b1622", "#070d15", 0.1)
    canvas.spruces(hills + 0.015, 0.07, 300, "#04080d")
    canvas.mirror(horizon, "#04101a", 0.22, 0.8)


def forest(canvas: Canvas, fog: Colour, wood: Colour, light: Colour) -> None:
    """Spruces that come out of the fog."""
    canvas.gradient(mix(fog, "#ffffff", 0.35), fog, mix(fog, wood, 0.2))
    canvas.glow(0.68, 0.15, 0.75, light, 0.55)
    for layer in range(6):
        near = layer / 5
        line = canvas.line(0.5 + 0.11 * layer, 0.17, 2 + layer, 0.45)
        colour = mix(fog, wood, 0.12 + 0.88 * near**1.25)
        canvas.spruces(line, 0.13 + 0.13 * near, round(330 - 220 * near), colour)
        canvas.land(line, colour, mix(colour, fog, 0.75 * (1 - near)), 0.14)
        veil = canvas.noise(3, 9, 5) * np.exp(-(((canvas.y - line.mean() - 0.08) / 0.09) ** 2))
        canvas.blend(veil * (0.85 - 0.6 * near), mix(fog, light, 0.25))


def fields(
    canvas: Canvas, sky: tuple[Colour, ...], crop: Colour, gap: Colour, hill: Colour
) -> None:
    """Rows of lavender or grain that run to the horizon."""
    horizon = 0.46
    canvas.gradient(*sky, bottom=horizon)
    canvas.clouds("#ffffff", 0.7, 0.0, 0.44)
    canvas.glow(0.3, horizon - 0.03, 0.45, "#ffd9a0", 0.5)
    for layer in range(3):
        line = canvas.line(horizon + 0.012 * layer, 0.1 - 0.025 * layer, 3 + layer, 0.45)
        canvas.land(line, mix(sky[-1], hill, 0.35 + 0.25 * layer), hill, 0.12)
    near = np.clip((canvas.y - horizon) / (1 - horizon), 1e-3, 1)
    mask = np.clip((canvas.y - horizon) * canvas.height, 0, 1) * np.ones_like(canvas.x)
    rows = np.cos(((canvas.x - 0.46) * canvas.aspect / near) * 15)
    rough = canvas.noise(150, 110, 4)
    ridge = np.clip(rows * 1.3 + 0.45 + (rough - 0.5) * 1.8, 0, 1)
    soft = np.clip(near * 5, 0, 1)
    ridge = ridge * soft + 0.62 * (1 - soft)
    canvas.blend(mask, gap)
    canvas.blend(mask * ridge, crop)
    canvas.blend(mask * np.clip((rough - 0.52) * 5, 0, 1) * ridge * 0.45, mix(crop, "#ffffff", 0.5))
    canvas.blend(mask * (1 - near) ** 3 * 0.55, mix(sky[-1], crop, 0.45))


def galaxy(canvas: Canvas, tint: Colour, core: Colour, ground: Colour) -> None:
    """The Milky Way over a ridge."""
    canvas.gradient("#05070f", "#0b1226", mix("#1b2440", tint, 0.35), bottom=0.9)
    bend = 0.62 * canvas.y + 0.12 * np.sin(canvas.y * 3)
    away = canvas.x - 0.82 + bend
    dust = canvas.noise(9, 9, 6)
    band = np.exp(-((away / 0.13) ** 2)) * (0.35 + 0.9 * canvas.noise(7, 7, 6))
    canvas.add(band * 0.5, tint)
    canvas.add(np.exp(-((away / 0.055) ** 2)) * dust * 0.75, core)
    lane = np.clip((dust - 0.47) * 5, 0, 1) * np.exp(-(((away + 0.01) / 0.05) ** 2))
    canvas.blend(lane * 0.6, "#0a0c18")
    canvas.stars(4_200, 0.95)
    canvas.glow(0.25, 0.95, 0.4, mix(core, "#ffb870", 0.6), 0.4)
    canvas.land(canvas.line(0.88, 0.16, 5, 0.55), ground, "#020308", 0.2)


def lights(canvas: Canvas, base: tuple[Colour, ...], colours: tuple[Colour, ...]) -> None:
    """Lamps out of focus."""
    canvas.gradient(*base)
    canvas.glow(0.5, 0.6, 0.7, colours[0], 0.3)
    for number in range(84):
        far = number / 84
        x, y, size, glare = (float(part) for part in canvas.random.random(4))
        y = 0.5 + (y - 0.5) * (0.45 + 0.55 * far)
        radius = (0.014 + 0.07 * far**1.5) * (0.7 + 0.6 * size)
        distance = np.hypot((canvas.x - x) * canvas.aspect, canvas.y - y)
        window = np.ix_(
            (distance < radius * 1.4).any(axis=1), (distance < radius * 1.4).any(axis=0)
        )
        near = distance[window]
        spot = np.clip((radius - near) * canvas.height / (3 + 13 * far) + 0.5, 0, 1)
        rim = np.exp(-(((near - radius * 0.96) / (0.006 + 0.004 * far)) ** 2)) * 0.3
        strength = (0.8 - 0.5 * far) * (0.5 + 0.7 * glare)
        colour = colours[int(canvas.random.integers(len(colours)))]
        canvas.add(np.clip(spot * (0.75 + rim * 2), 0, 1) * strength, colour, window)


def silk(canvas: Canvas, base: tuple[Colour, ...], colours: tuple[Colour, ...]) -> None:
    """Light drawn with a long exposure."""
    canvas.gradient(*base)
    phases = [float(phase) * 6.28 for phase in canvas.random.random(4)]
    light = [np.zeros((canvas.height, canvas.width), np.float32) for _ in colours]
    for number in range(46):
        part = number / 45
        wave = 0.2 * np.sin(canvas.x * 4.1 + phases[0] + part * 1.9)
        wave = wave + 0.1 * np.sin(canvas.x * 7.3 + phases[1] - part * 2.6)
        centre = 0.28 + 0.42 * part + wave * (0.55 + 0.45 * math.sin(part * 5 + phases[2]))
        thin = 0.0035 + 0.02 * (0.5 + 0.5 * np.sin(canvas.x * 3 + phases[3] + part * 4)) ** 2
        ribbon = np.exp(-(((canvas.y - centre) / thin) ** 2)) * (0.0022 / thin) ** 0.55
        place = part * (len(colours) - 1)
        index = min(int(place), len(colours) - 2)
        light[index] += ribbon * (1 - (place - index))
        light[index + 1] += ribbon * (place - index)
    for brightness, colour in zip(light, colours, strict=True):
        canvas.add(1 - np.exp(-brightness), colour)


def city(canvas: Canvas, sky: tuple[Colour, ...], wall: Colour, lamp: Colour) -> None:
    """A skyline at dusk, across the water."""
    horizon = 0.7
    canvas.gradient(*sky, bottom=horizon)
    canvas.clouds(mix(lamp, sky[1], 0.5), 0.5, 0.05, 0.6)
    canvas.glow(0.5, horizon, 0.5, lamp, 0.4)
    for layer, (count, tall) in enumerate(((34, 0.26), (26, 0.4), (20, 0.3))):
        walls = Image.new("L", (canvas.width, canvas.height))
        windows = Image.new("L", (canvas.width, canvas.height))
        draw, lit = ImageDraw.Draw(walls), ImageDraw.Draw(windows)
        for left in np.linspace(-30, canvas.width, count) + canvas.random.normal(0, 16, count):
            wide = canvas.width * (0.02 + 0.028 * canvas.random.random())
            middle = 1 - abs(left / canvas.width - 0.5) * 0.9
            high = tall * (0.35 + 0.65 * canvas.random.random() ** 2) * middle * canvas.height
            top = horizon * canvas.height - high
            draw.rectangle([left, top, left + wide, canvas.height], fill=255)
            if canvas.random.random() < 0.3:
                draw.line([left + wide / 2, top - high * 0.13, left + wide / 2, top], 255, 2)
            for row in np.arange(top + 8, horizon * canvas.height - 5, 10):
                for column in np.arange(left + 5, left + wide - 6, 9):
                    if canvas.random.random() < 0.3:
                        lit.rectangle([column, row, column + 3, row + 4], fill=255)
        shade = mix(sky[-1], wall, 0.45 + 0.27 * layer)
        canvas.blend(_mask(walls), shade)
        canvas.add(_mask(windows) * _mask(walls) * (0.5 + 0.2 * layer), lamp)
    canvas.mirror(horizon, mix(wall, "#000000", 0.3), 0.25, 1.5)


def balloons(canvas: Canvas, sky: tuple[Colour, ...], colours: tuple[Colour, ...]) -> None:
    """Hot-air balloons over a valley in the morning."""
    mountains(canvas, sky, "#ffd9a0", "#d9b8b8", "#4a3f5c", 0.24)
    spots = ((0.62, 0.3, 0.125), (0.33, 0.2, 0.062), (0.84, 0.5, 0.048), (0.46, 0.46, 0.03))
    for number, (x, y, size) in enumerate(spots):
        across = (canvas.x - x) * canvas.aspect / size
        down = (canvas.y - y) / size
        below = np.maximum(down, 0) / 1.42
        width = np.where(down > 0, np.clip(1 - below**2.1, 0, 1), 1)
        inside = np.sqrt(
            np.clip((across / np.maximum(width, 0.05)) ** 2 + np.minimum(down, 0) ** 2, 0, 9)
        )
        mask = np.clip((1 - inside) * size * canvas.height / 2, 0, 1) * (down < 1.26)
        turn = np.arcsin(np.clip(across / np.maximum(width, 0.05), -1, 1))
        stripe = np.sin(turn * 5.0 + number) > 0
        one, other = colours[2 * number % len(colours)], colours[(2 * number + 1) % len(colours)]
        paint = np.where(stripe[..., None], rgb(one), rgb(other))
        light = np.clip(0.95 - 0.4 * across - 0.12 * down, 0.4, 1.15)
        canvas.blend(mask, paint * light[..., None])
        basket = (np.abs(across) < 0.11) & (down > 1.5) & (down < 1.7)
        ropes = (np.abs(np.abs(across) - 0.1) < 0.016) & (down > 1.2) & (down <= 1.5)
        canvas.blend((basket | ropes).astype(np.float32), "#4a3220")


def _mask(image: Image.Image) -> Array:
    return np.asarray(image, dtype=np.float32) / 255
