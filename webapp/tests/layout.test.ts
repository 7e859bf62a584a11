import { describe, expect, test } from "vitest";

import { rows, type Measure } from "../src/layout/rows.ts";
import { layOut } from "../src/layout/timeline.ts";
import { placeOf, stepFrom, visible } from "../src/layout/viewport.ts";
import { photo, shoot } from "./photos.ts";

const measure: Measure = { width: 1400, rowHeight: 190, gap: 5, headingHeight: 44 };

describe("rows", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("hold every photo once, in order (seed %i)", (seed) => {
    const photos = shoot(200, seed);
    const tiles = rows(photos, 0, 200, measure, 0).flatMap((row) => row.tiles);
    expect(tiles.map((tile) => tile.index)).toEqual(photos.map((_, index) => index));
  });

  test.each([320, 390, 768, 1400, 2560])("fill the width of %i pixels without overlap", (width) => {
    const lines = rows(shoot(300), 0, 300, { ...measure, width }, 0);
    for (const row of lines) {
      let right = -measure.gap;
      for (const tile of row.tiles) {
        expect(Math.abs(tile.left - (right + measure.gap))).toBeLessThanOrEqual(1);
        right = tile.left + tile.width;
      }
      expect(right).toBeLessThanOrEqual(width);
      if (row !== lines.at(-1)) expect(right).toBeGreaterThanOrEqual(width - 1);
    }
  });

  test("lie under each other, near the height that is wished", () => {
    let bottom = 44 - measure.gap;
    for (const row of rows(shoot(300), 0, 300, measure, 44)) {
      expect(row.top).toBe(bottom + measure.gap);
      expect(row.height).toBeGreaterThan(measure.rowHeight * 0.6);
      expect(row.height).toBeLessThan(measure.rowHeight * 1.6);
      bottom = row.top + row.height;
    }
  });

  test("do not blow up a lone photo", () => {
    const [row] = rows([photo("a")], 0, 1, measure, 0);
    expect(row).toEqual({ top: 0, height: 190, tiles: [{ index: 0, left: 0, width: 285 }] });
  });
});

describe("a timeline", () => {
  test("groups by the camera's day, also where photos have none", () => {
    const dates = ["2024-05-18T00:10:00", null, "2024-05-17T23:50:00", "2024-05-17T08:00:00"];
    const photos = dates.map((taken, index) => photo(`p${index}`, { taken }));
    const { days } = layOut(photos, measure);
    expect(days.map((day) => [day.date, day.end - day.first])).toEqual([
      ["2024-05-18", 1],
      ["", 1],
      ["2024-05-17", 2],
    ]);
  });

  test("gives no two days the same key, even when a day is interrupted", () => {
    const dates = ["2024-05-17T09:00", null, "2024-05-17T08:00", null];
    const { days } = layOut(
      dates.map((taken, index) => photo(`p${index}`, { taken })),
      measure,
    );
    expect(new Set(days.map((day) => day.key)).size).toBe(4);
  });

  test("that grows by pages is the same as one laid out at once", () => {
    const photos = shoot(900, 4);
    let photosBefore = photos.slice(0, 0);
    let timeline = layOut(photosBefore, measure);
    for (let end = 90; end <= 900; end += 90) {
      const now = photos.slice(0, end);
      timeline = layOut(now, measure, { timeline, photos: photosBefore, measure });
      photosBefore = now;
    }
    expect(timeline).toEqual(layOut(photos, measure));
  });

  test("is laid out anew when the width changes", () => {
    const photos = shoot(100);
    const before = { timeline: layOut(photos, measure), photos, measure };
    const narrow = { ...measure, width: 390 };
    expect(layOut(photos, narrow, before)).toEqual(layOut(photos, narrow));
  });
});

describe("what is in sight", () => {
  const photos = shoot(2_000, 3);
  const timeline = layOut(photos, measure);

  test.each([0, 1, 333, 5_000, 20_000])(
    "at %i pixels is what touches the window, no more",
    (top) => {
      const bottom = top + 900;
      const drawn = visible(timeline, top, bottom).flatMap(({ day, rows: lines }) =>
        lines.map((row) => day.top + row.top),
      );
      const expected = timeline.days.flatMap((day) =>
        day.rows
          .filter((row) => day.top + row.top < bottom && day.top + row.top + row.height > top)
          .map((row) => day.top + row.top),
      );
      expect(drawn).toEqual(expected);
    },
  );

  test("is small beside the whole, and quick to find", () => {
    const many = shoot(100_000, 5);
    const begun = performance.now();
    const large = layOut(many, measure);
    expect(performance.now() - begun).toBeLessThan(2_000);
    const tiles = visible(large, large.height / 2, large.height / 2 + 2_000)
      .flatMap((day) => day.rows)
      .flatMap((row) => row.tiles);
    expect(tiles.length).toBeGreaterThan(10);
    expect(tiles.length).toBeLessThan(200);
  });

  test("every photo has a place, and the place holds the photo", () => {
    for (let index = 0; index < photos.length; index += 37) {
      expect(placeOf(timeline, index)?.tile.index).toBe(index);
    }
    expect(placeOf(timeline, photos.length)).toBeNull();
    expect(placeOf(timeline, -1)).toBeNull();
  });
});

describe("arrow keys", () => {
  const timeline = layOut(shoot(100, 2), measure);

  test("go by one sideways and stop at the rims", () => {
    expect(stepFrom(timeline, 5, "right")).toBe(6);
    expect(stepFrom(timeline, 0, "left")).toBe(0);
    expect(stepFrom(timeline, 99, "right")).toBe(99);
    expect([stepFrom(timeline, 5, "first"), stepFrom(timeline, 5, "last")]).toEqual([0, 99]);
  });

  test("go to the next row down, also across days, and never past the last", () => {
    for (let index = 0; index < 100; index++) {
      const here = placeOf(timeline, index)!;
      const there = placeOf(timeline, stepFrom(timeline, index, "down"))!;
      const rowsBetween = timeline.days
        .flatMap((day) => day.rows.map((row) => day.top + row.top))
        .filter((top) => top > here.top && top < there.top);
      expect(rowsBetween).toEqual([]);
      expect(there.top > here.top || stepFrom(timeline, index, "down") === index).toBe(true);
    }
  });
});
