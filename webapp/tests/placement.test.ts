import { expect, test } from "vitest";

import {
  nodeWords,
  notesOf,
  wantedWords,
  type PlacedNode,
  type Placement,
} from "../src/api/placement.ts";

const NODE: PlacedNode = {
  node: "12D3",
  name: "attic",
  role: "archive",
  here: false,
  held: true,
  counts: true,
  wanted: true,
  pinned: false,
  evict: "normal",
  verified_at: null,
  obstacle: null,
};
const PLACEMENT: Placement = {
  photo: "ab",
  copies: 3,
  held: 2,
  missing: 1,
  on: { archive: 1 },
  missing_on: {},
  not_on: [],
  yielding: [],
  rules: [],
  nodes: [],
  nobody: 0,
  unknown: [],
  unread: [],
};

test("what is wanted is said with its roles", () => {
  expect(wantedWords(PLACEMENT)).toBe("3 copies, 1 on archive");
  expect(wantedWords({ ...PLACEMENT, copies: 1, on: {} })).toBe("1 copy");
});

test("what is in the way of a member's copy comes before anything else", () => {
  expect(nodeWords(NODE)).toBe("");
  expect(nodeWords({ ...NODE, held: false, wanted: false })).toBe("not wanted there");
  const away = { ...NODE, held: false, pinned: true, obstacle: "offline since yesterday" };
  expect(nodeWords(away)).toBe("offline since yesterday");
  expect(nodeWords({ ...NODE, pinned: true })).toBe("kept here by a rule");
  expect(nodeWords({ ...NODE, evict: "first" })).toBe("goes first when room is short");
});

test("there are notes only where something is to be known", () => {
  expect(notesOf(PLACEMENT)).toEqual([]);
  const odd = { ...PLACEMENT, nobody: 1, yielding: ["mobile"], unknown: ["yoda"], unread: ["x"] };
  expect(notesOf(odd)).toHaveLength(4);
});
