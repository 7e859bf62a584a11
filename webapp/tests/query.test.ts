import { describe, expect, test } from "vitest";

import type { Facets } from "../src/api/types.ts";
import * as query from "../src/query.ts";
import { suggestions, taken } from "../src/suggest.ts";

describe("a query", () => {
  test("is parted outside of quotes and parentheses", () => {
    const q = ' a  camera:"EOS R5" (b or "c) d") -tag:x "open';
    const found = query.terms(q);
    expect(found.map(({ text }) => text)).toEqual([
      "a",
      'camera:"EOS R5"',
      '(b or "c) d")',
      "-tag:x",
      '"open',
    ]);
    expect(found.every(({ from, to, text }) => q.slice(from, to) === text)).toBe(true);
  });

  test.each([
    ["", 3, "rating>=3"],
    ["boats rating>=2", 4, "boats rating>=4"],
    ["rating:none boats", null, "boats"],
    ['"rating>=2"', 1, '"rating>=2" rating>=1'],
    ["a or b sort:added", 3, "(a or b) rating>=3 sort:added"],
    ["a or b", null, "a or b"],
  ])("gets its rating from the list beside it: %s, %s", (q, rating, result) => {
    expect(query.withRating(q, rating)).toBe(result);
  });

  test("tells the rating and the conflicts that the controls can show", () => {
    expect(query.ratingOf("a rating>=3")).toBe(3);
    expect(query.ratingOf("rating:3")).toBeNull();
    expect(query.asksContested(query.withContested("a", true))).toBe(true);
    expect(query.withContested("a is:contested", false)).toBe("a");
  });

  test("is judged by the page only where it is sure", () => {
    expect(query.plainOf("")).toEqual({ rating: null, conflicts: false });
    expect(query.plainOf("rating>=2 is:contested")).toEqual({ rating: 2, conflicts: true });
    for (const q of ["boats", "-rating>=2", "rating:2", "is:trashed"]) {
      expect(query.plainOf(q)).toBeNull();
    }
  });

  test("leaves single photos out", () => {
    const ids = ["ab".repeat(32), "cd".repeat(32)];
    expect(query.without("a or b", ids)).toBe("(a or b) -id:abababababababab -id:cdcdcdcdcdcdcdcd");
    expect(query.without("a", [])).toBe("a");
  });

  test("names an album by its name, or by its id where two share the name", () => {
    const [one, two] = [
      { id: "1".repeat(32), name: 'The "best"' },
      { id: "2".repeat(32), name: 'the "BEST"' },
    ];
    expect(query.albumQuery(one!, [one!])).toBe('album="The \\"best\\""');
    expect(query.albumQuery(one!, [one!, two!])).toBe(`album:${one!.id}`);
  });

  test("is marked where it is wrong, also behind letters that are two in JavaScript", () => {
    expect(query.marked("harbour ratng>=3", 8, 5)).toEqual(["harbour ", "ratng", ">=3"]);
    expect(query.marked("😀 (", 2, 0)).toEqual(["😀 ", "(", ""]);
    expect(query.marked("a (", 3, 0)).toEqual(["a (", "", ""]);
  });
});

describe("suggestions", () => {
  const facet = (value: string, q: string) => ({ value, count: 5, query: q });
  const facets: Facets = {
    cameras: [facet("Canon EOS R5", 'camera:"Canon EOS R5"'), facet("X-T5", "camera:X-T5")],
    lenses: [],
    tags: [facet("travel/Tromsø", "tag:travel/Tromsø")],
    labels: [],
    ratings: [],
    flags: [],
    kinds: [],
    folders: [],
  };
  const albums = [{ id: "a", name: "Summer", query: null, conflicts: [] }];
  const texts = (q: string, caret = q.length) =>
    suggestions(q, caret, facets, albums).items.map(({ text }) => text);

  test("are fields as long as there is none, and then its values", () => {
    expect(texts("ca")).toEqual(expect.arrayContaining(["camera:", "caption:"]));
    expect(texts("a -camera:eos")).toEqual(['camera:"Canon EOS R5"']);
    expect(texts("album:su")).toEqual(['album="Summer"']);
    expect(texts("is:tr")).toEqual(["is:trashed"]);
    expect(texts("")).toEqual([]);
  });

  test("find values by any part, whatever their case", () => {
    expect(texts("tag:TROMS")).toEqual(["tag:travel/Tromsø"]);
    expect(texts("troms")).toEqual(["tag:travel/Tromsø"]);
  });

  test("replace the term under the caret and nothing else", () => {
    const q = "boats -camera:eo rating>=3";
    const found = suggestions(q, 16, facets, albums);
    const [text, caret] = taken(q, found, found.items[0]!);
    expect(text).toBe('boats -camera:"Canon EOS R5" rating>=3');
    expect(text.slice(caret)).toBe("rating>=3");
  });
});
