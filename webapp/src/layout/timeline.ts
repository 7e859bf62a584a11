/**
 * The whole timeline laid out: days under each other, each with its rows. It is a value of numbers
 * only, some 20,000 rows for 100,000 photos; just what is in sight becomes elements.
 */

import type { PhotoSummary } from "../api/types.ts";
import { rows, type Measure, type Row } from "./rows.ts";

export interface Day {
  /** "2024-05-17", or "" for photos without a date, which may lie between dated ones. */
  date: string;
  /** The same for the same day as long as it is there; no two days share it. */
  key: string;
  top: number;
  height: number;
  /** Index of its first photo, and of the first one behind it. */
  first: number;
  end: number;
  rows: Row[];
}

export interface Timeline {
  days: Day[];
  height: number;
}

const DAY_GAP = 20;

export function dayOf(photo: Pick<PhotoSummary, "taken">): string {
  return photo.taken?.slice(0, 10) ?? "";
}

/**
 * Lay out all photos. With the layout of a shorter list of the same photos as `before`, the days
 * that were complete are taken over: adding a page costs what the page holds.
 */
export function layOut(
  photos: readonly PhotoSummary[],
  measure: Measure,
  before?: { timeline: Timeline; photos: readonly PhotoSummary[]; measure: Measure },
): Timeline {
  const days = before === undefined ? [] : reusable(photos, measure, before);
  const runs = new Map<string, number>();
  for (const day of days) runs.set(day.date, (runs.get(day.date) ?? 0) + 1);
  const last = days.at(-1);
  let first = last?.end ?? 0;
  let top = last ? last.top + last.height + DAY_GAP : 0;
  while (first < photos.length) {
    const date = dayOf(photos[first]!);
    let end = first + 1;
    while (end < photos.length && dayOf(photos[end]!) === date) end += 1;
    const lines = rows(photos, first, end, measure, measure.headingHeight);
    const bottom = lines.at(-1)!;
    const height = bottom.top + bottom.height;
    const run = (runs.get(date) ?? 0) + 1;
    runs.set(date, run);
    days.push({ date, key: `${date} ${run}`, top, height, first, end, rows: lines });
    top += height + DAY_GAP;
    first = end;
  }
  const end = days.at(-1);
  return { days, height: end ? end.top + end.height : 0 };
}

/** The days of `before` that the new list begins with; its last day may have grown, so not that. */
function reusable(
  photos: readonly PhotoSummary[],
  measure: Measure,
  before: { timeline: Timeline; photos: readonly PhotoSummary[]; measure: Measure },
): Day[] {
  const { timeline, photos: old } = before;
  const same =
    old.length <= photos.length &&
    measure.width === before.measure.width &&
    measure.rowHeight === before.measure.rowHeight &&
    measure.gap === before.measure.gap &&
    measure.headingHeight === before.measure.headingHeight &&
    old.every((photo, index) => sameShape(photo, photos[index]!));
  return same ? timeline.days.slice(0, -1) : [];
}

function sameShape(a: PhotoSummary, b: PhotoSummary): boolean {
  return (
    a === b ||
    (a.id === b.id && a.taken === b.taken && a.width === b.width && a.height === b.height)
  );
}
