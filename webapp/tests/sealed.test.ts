import { render } from "svelte/server";
import { expect, test } from "vitest";

import FactList from "../src/parts/FactList.svelte";
import { detailed } from "./photos.ts";

const PLACE = { latitude: 64.1466, longitude: -21.9426 };
const shown = (given: Parameters<typeof detailed>[1]): string =>
  render(FactList, { props: { photo: detailed("a", given) } }).body;

test("a place that this node has no key for is told as sealed, with the reason", () => {
  const body = shown({ sealed: ["gps"] });
  expect(body).toContain('data-testid="sealed-place"');
  expect(body).toMatch(/title="[^"]*library key"[^>]*>sealed</);
});

test("what is sealed is not shown in the clear, whatever else is known of the photo", () => {
  const body = shown({ sealed: ["gps"], facts: { position: PLACE } });
  expect(body).toContain("sealed");
  expect(body).not.toContain("64.1");
});

test("a place that can be read stands there, and a photo without one has no such line", () => {
  expect(shown({ facts: { position: PLACE } })).toContain("64.1");
  expect(shown({ facts: { position: PLACE } })).not.toContain("sealed");
  expect(shown({ sealed: ["something else"] })).not.toContain("Place");
});
