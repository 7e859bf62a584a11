import { describe, expect, test } from "vitest";

import { monthAfter, monthAt, monthIndex, monthSpans, yearLabels } from "../src/layout/months.ts";

/** Twenty years of months, the newest first, in one of which almost all photos are. */
const MONTHS = Array.from({ length: 240 }, (_, back) => {
  const at = 2024 * 12 + 11 - back;
  const month = `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, "0")}`;
  return { month, count: back === 100 ? 900_000 : 400 };
});

describe("the bar of months", () => {
  const spans = monthSpans(MONTHS, 800);

  test("is filled without gaps, and every month can be hit", () => {
    expect(spans.at(-1)!.top + spans.at(-1)!.height).toBeCloseTo(800);
    expect(spans.every((span) => span.height >= 2)).toBe(true);
    spans.forEach((span, index) => {
      expect(monthAt(spans, span.top + span.height / 2)).toBe(index);
    });
  });

  test("still fits where there are more months than pixels", () => {
    const low = monthSpans(MONTHS, 120);
    expect(low.at(-1)!.top + low.at(-1)!.height).toBeCloseTo(120);
    expect([monthAt(low, -5), monthAt(low, 900)]).toEqual([0, 239]);
  });

  test("names years that do not touch, each once", () => {
    const labels = yearLabels(spans);
    expect(labels.length).toBeGreaterThan(10);
    expect(new Set(labels.map(({ year }) => year)).size).toBe(labels.length);
    labels.slice(1).forEach(({ top }, at) => expect(top - labels[at]!.top).toBeGreaterThan(21));
  });
});

test("a month without photos stands for the next older one", () => {
  const months = [
    { month: "2024-05", count: 1 },
    { month: "2023-01", count: 2 },
  ];
  expect(["2024-06", "2024-05", "2023-07", "1999-01"].map((m) => monthIndex(months, m))).toEqual([
    0, 0, 1, 1,
  ]);
  expect([monthAfter("2024-05"), monthAfter("2024-12")]).toEqual(["2024-06", "2025-01"]);
});
