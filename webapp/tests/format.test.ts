import { describe, expect, test } from "vitest";

import * as words from "../src/format.ts";

test("bytes are counted as disks are sold", () => {
  expect([0, 999, 1000, 26_214_400, 999_950_000, 6e12].map((size) => words.bytes(size))).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "26.2 MB",
    "1.0 GB",
    "6.0 TB",
  ]);
  expect(words.bytes(null)).toBe("–");
});

test("days and moments of the camera are shown as the camera said them, in any zone", () => {
  expect(words.dayHeading("2024-05-17")).toBe("Friday 17 May 2024");
  expect(words.dayHeading("2024-05-17", true)).toBe("Fri 17 May 2024");
  expect(words.dayHeading("2024-99")).toBe("2024-99");
  expect(words.takenWords("2024-05-17T23:59:59.250")).toBe("17 May 2024, 23:59:59");
  expect(words.takenWords("2024-05-17T09:30:12", -210)).toBe("17 May 2024, 09:30:12 −03:30");
  expect(words.takenWords(null)).toBe("date unknown");
});

describe("how long ago", () => {
  const now = new Date("2024-05-17T12:00:00Z");
  test.each([
    ["2024-05-17T11:59:58Z", "just now"],
    ["2024-05-17T11:59:30Z", "30 seconds ago"],
    ["2024-05-17T11:15:00Z", "45 minutes ago"],
    ["2024-05-17T09:00:00Z", "3 hours ago"],
    ["2024-05-16T11:00:00Z", "yesterday"],
    ["2024-05-18T11:00:00Z", "in 23 hours"],
    ["2023-05-01T00:00:00Z", "last year"],
    [Date.UTC(2024, 4, 17, 11, 30), "30 minutes ago"],
    [null, ""],
    ["nonsense", ""],
  ])("%s is %s", (at, expected) => {
    expect(words.ago(at, now)).toBe(expected);
  });
});

test("exposures are told as on a camera", () => {
  expect([1 / 250, 0.3, 0.5, 2, 30].map(words.exposure)).toEqual([
    "1/250 s",
    "1/3 s",
    "0.5 s",
    "2 s",
    "30 s",
  ]);
});

test("a camera's maker is not said twice", () => {
  expect(words.camera("NIKON CORPORATION", "NIKON Z 8")).toBe("NIKON Z 8");
  expect(words.camera("FUJIFILM", "X-T5")).toBe("FUJIFILM X-T5");
  expect(words.camera(null, "X-T5")).toBe("X-T5");
  expect(words.camera("FUJIFILM", null)).toBe("FUJIFILM");
});

test("values of fields are words for people and stable attributes for tests", () => {
  expect(words.valueWords("rating", 1)).toBe("1 star");
  expect(words.valueWords("rating", -1)).toBe("rejected");
  expect(words.valueWords("title", null)).toBe("nothing");
  expect(words.valueWords("gps", { latitude: 48.8584, longitude: -2.2945 })).toBe(
    "48.8584° N, 2.2945° W",
  );
  expect(words.valueWords("colours", ["red", "blue"])).toBe("red, blue");
  expect([4, null, "a", { b: 1 }].map(words.valueAttribute)).toEqual(["4", "", "a", '{"b":1}']);
});

test("a moment is read from text, from seconds and from milliseconds", () => {
  const at = Date.UTC(2024, 4, 17, 11, 30);
  const read = ["2024-05-17T11:30:00Z", at, at / 1000].map((given) => words.moment(given));
  expect(read.map((date) => date?.getTime())).toEqual([at, at, at]);
  expect([null, undefined, "", "nonsense"].map(words.moment)).toEqual([null, null, null, null]);
});

test("small words", () => {
  expect([words.counted(1, "photo"), words.counted(1200, "photo")]).toEqual([
    "1 photo",
    "1,200 photos",
  ]);
  expect([words.latency(0.84), words.latency(24.4), words.latency(null)]).toEqual([
    "0.8 ms",
    "24 ms",
    "–",
  ]);
  expect(words.duration(65)).toBe("1:05");
  expect(["gps", "title", "sidecar/xmp"].map(words.fieldWords)).toEqual([
    "Position",
    "Title",
    "Sidecar of xmp",
  ]);
  expect([words.rate(41e6), words.rate(0), words.rate(null)]).toEqual(["41.0 MB/s", "", ""]);
  expect(words.shortId("abcdefghijklmnopqrst")).toBe("abcdef…opqrst");
});

test("what was imported is its first author's, and whoever brought it is told", () => {
  const said = { author: "12D3KooWStudio", author_name: "studio" };
  expect(words.authorWords(said)).toBe("studio");
  expect(words.authorWords({ ...said, origin: "laptop" })).toBe("laptop (imported by studio)");
});

test("photos without a date stand under the month in which they were added", () => {
  expect(words.undatedHeading("2023-11")).toBe("Without a date, added in November 2023");
  expect([words.undatedHeading("2023-11", true), words.undatedHeading("")]).toEqual([
    "Without a date",
    "Without a date",
  ]);
});
