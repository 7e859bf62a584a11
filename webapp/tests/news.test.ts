import { describe, expect, test } from "vitest";

import { newsOf } from "../src/state/news.ts";

describe("an event", () => {
  test("that names photos is about these", () => {
    expect(newsOf({ name: "photos", data: { ids: ["a"], local: true } })).toEqual({
      photos: ["a"],
      albums: false,
    });
    expect(newsOf({ name: "holdings", data: { ids: ["a"] } })?.photos).toEqual(["a"]);
  });

  test("that names none is about very many", () => {
    expect(newsOf({ name: "photos", data: { ids: [], local: false } })?.photos).toBe("all");
    expect(newsOf({ name: "holdings", data: { ids: [] } })?.photos).toBe("all");
  });

  test("of albums is about the list of albums, named or not", () => {
    for (const ids of [["a1"], []]) {
      expect(newsOf({ name: "albums", data: { ids, local: false } })).toEqual({
        photos: [],
        albums: true,
      });
    }
  });

  test("that some are missing is about everything, and others are about nothing listed", () => {
    expect(newsOf({ name: "gap", data: {} })).toEqual({ photos: "all", albums: true });
    expect(newsOf({ name: "problems", data: { count: 1 } })).toBeNull();
  });
});

test("other rules make no list old, but what is said of a photo", () => {
  expect(newsOf({ name: "placement", data: { count: 2 } })).toEqual({ photos: [], albums: false });
});
