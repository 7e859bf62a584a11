import { describe, expect, test } from "vitest";

import type { PhotoSummary } from "../src/api/types.ts";
import { rows, type Measure } from "../src/layout/rows.ts";
import { layOut, type Day } from "../src/layout/timeline.ts";
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

  test("puts photos without a date under the month in which they were added", () => {
    const added = ["2024-02-03T10:00:00.000Z", "2024-02-01T10:00:00.000Z", "2024-01-31T10:00:00Z"];
    const undated = added.map((moment, index) =>
      photo(`p${index}`, { taken: null, added: moment }),
    );
    const { days } = layOut([...undated, photo("p9", { taken: "2024-01-30T10:00:00" })], measure);
    expect(days.map((day) => [day.date, day.month, day.end - day.first])).toEqual([
      ["", "2024-02", 2],
      ["", "2024-01", 1],
      ["2024-01-30", "2024-01", 1],
    ]);
    expect(new Set(days.map((day) => day.key)).size).toBe(3);
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

describe("short days", () => {
  /** One day for each count of photos, newest first. */
  function days(...counts: number[]): PhotoSummary[] {
    return counts.flatMap((count, day) =>
      Array.from({ length: count }, (_, index) =>
        photo(`${day} ${index}`, { taken: `2024-05-${30 - day}T09:00:00.000` }),
      ),
    );
  }
  const place = ({ top, left, width, shared }: Day) => ({ top, left, width, shared });

  test("stand side by side, each as wide as its photos, as far as they fit", () => {
    const { days: laid, height } = layOut(days(2, 1, 1, 1), measure);
    expect(laid.map(place)).toEqual([
      { top: 0, left: 0, width: 575, shared: true },
      { top: 0, left: 595, width: 285, shared: true },
      { top: 0, left: 900, width: 285, shared: true },
      { top: 254, left: 0, width: 1400, shared: false },
    ]);
    expect(laid.flatMap((day) => day.rows.map((row) => [row.top, row.height]))).toEqual(
      Array(4).fill([44, 190]),
    );
    expect(height).toBe(254 + 234);
  });

  test("leave room for the heading of a narrow photo", () => {
    const upright = days(1, 1).map((each) => ({ ...each, width: 400, height: 600 }));
    const { days: laid } = layOut(upright, measure);
    expect(laid.map(({ left, width }) => [left, width])).toEqual([
      [0, 150],
      [170, 150],
    ]);
  });

  test("alone fill the page with one row, where that makes it not much higher", () => {
    const filled = layOut(days(4), measure).days[0]!.rows;
    expect(filled).toHaveLength(1);
    expect(filled[0]!.height).toBeGreaterThan(190);
    const last = filled[0]!.tiles.at(-1)!;
    expect(Math.abs(last.left + last.width - measure.width)).toBeLessThanOrEqual(2);
    expect(layOut(days(2), measure).days[0]!.rows.map((row) => row.height)).toEqual([190]);
    expect(layOut(days(30), measure).days[0]!.rows.at(-1)!.height).toBeLessThanOrEqual(190);
  });

  test("do not stand beside a day of several rows", () => {
    const { days: laid } = layOut(days(1, 30, 1), measure);
    expect(laid.map((day) => day.shared)).toEqual([false, false, false]);
    expect(laid[1]!.top).toBeGreaterThan(laid[0]!.top);
    expect(laid[2]!.top).toBeGreaterThan(laid[1]!.top);
  });

  test.each([1, 2, 3])("that come page by page are the same in the end (%i a page)", (step) => {
    const photos = days(2, 1, 3, 1, 9, 1, 1, 4, 1, 1, 1, 2);
    let known = photos.slice(0, 0);
    let timeline = layOut(known, measure);
    for (let end = step; end < photos.length + step; end += step) {
      const now = photos.slice(0, end);
      timeline = layOut(now, measure, { timeline, photos: known, measure });
      known = now;
      expect(timeline).toEqual(layOut(now, measure));
    }
  });

  test("are in sight together, and every photo of them has its place", () => {
    const photos = days(1, 1, 1, 30, 1, 2, 1);
    const timeline = layOut(photos, measure);
    expect(visible(timeline, 50, 51).map(({ day }) => day.first)).toEqual([0, 1, 2]);
    const { top } = timeline.days.at(-1)!;
    expect(visible(timeline, top, top + 100).map(({ day }) => day.first)).toEqual([33, 34, 36]);
    for (let index = 0; index < photos.length; index++) {
      expect(placeOf(timeline, index)!.tile.index).toBe(index);
    }
  });

  test("are crossed sideways one by one, and passed at once up and down", () => {
    const timeline = layOut(days(1, 1, 1, 1, 1, 1, 30), measure);
    expect(timeline.days.filter((day) => day.top === 0)).toHaveLength(4);
    expect(stepFrom(timeline, 0, "right")).toBe(1);
    expect([0, 1, 2, 3].map((index) => stepFrom(timeline, index, "down"))).toEqual([4, 5, 5, 5]);
    expect([4, 5].map((index) => stepFrom(timeline, index, "up"))).toEqual([0, 1]);
    expect(stepFrom(timeline, 2, "up")).toBe(2);
    expect(placeOf(timeline, stepFrom(timeline, 5, "down"))!.row).toBe(timeline.days[6]!.rows[0]);
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
