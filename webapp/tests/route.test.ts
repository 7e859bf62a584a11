import { describe, expect, test } from "vitest";

import { EVERYTHING, hashOf, parseHash, sameFilter, type Route } from "../src/route.ts";

const FILTER = { q: 'Ærø & "harbour?" rating>=3', at: "2019-07" };

describe("an address", () => {
  test.each<Route>([
    { view: "library", filter: EVERYTHING },
    { view: "library", filter: FILTER },
    { view: "photo", id: "ab".repeat(32), filter: EVERYTHING },
    { view: "photo", id: "ab".repeat(32), filter: FILTER },
    { view: "conflicts" },
    { view: "nodes" },
    { view: "history" },
    { view: "trash" },
    { view: "audit" },
  ])("leads back to where it was made: %o", (route) => {
    expect(parseHash(hashOf(route))).toEqual(route);
  });

  test.each(["", "#", "#/", "#/nowhere", "#/photo", "#/photo/", "#//", "nonsense"])(
    "that is unknown is the whole library: %s",
    (hash) => {
      expect(parseHash(hash)).toEqual({ view: "library", filter: EVERYTHING });
    },
  );

  test("with a broken part does not fail", () => {
    expect(parseHash("#/photo/%E0%A4%A")).toMatchObject({ view: "photo", id: "%E0%A4%A" });
    expect(parseHash("#/?rating=9&conflicts=maybe&at=2019-13")).toEqual({
      view: "library",
      filter: EVERYTHING,
    });
  });
});

test("an address of before there was a query language is read as a query", () => {
  const { filter } = parseHash("#/?q=boats&rating=3&camera=Z+8&conflicts=true") as {
    filter: unknown;
  };
  expect(filter).toEqual({ q: 'boats rating>=3 camera="Z 8" is:contested', at: null });
});

test("filters are compared by what they say", () => {
  expect(sameFilter(EVERYTHING, { ...EVERYTHING })).toBe(true);
  expect(sameFilter(EVERYTHING, { ...EVERYTHING, at: "2019-07" })).toBe(false);
});
