/**
 * The whole timeline laid out: days under each other, each with its rows; short days that follow
 * each other stand side by side, or most of the page would be empty. It is a value of numbers only,
 * some 20,000 rows for 100,000 photos; just what is in sight becomes elements.
 */

import type { PhotoSummary } from "../api/types.ts";
import { momentOf } from "../state/photo-list.ts";
import { lineWidth, rows, type Measure, type Row } from "./rows.ts";

export interface Day {
  /** "2024-05-17", or "" for photos without a date, which may lie between dated ones. */
  date: string;
  /** "2024-05"; of photos without a date, when they were added; "" where that is not known. */
  month: string;
  /** The same for the same day as long as it is there; no two days share it. */
  key: string;
  top: number;
  height: number;
  left: number;
  width: number;
  /** Whether other days have the same top. Then all of them have one row, and the same height. */
  shared: boolean;
  /** Index of its first photo, and of the first one behind it. */
  first: number;
  end: number;
  rows: Row[];
}

export interface Timeline {
  days: Day[];
  height: number;
}

/** Between days, both under each other and side by side. */
const DAY_GAP = 20;
/** Room for the short heading of a day that stands beside another one. */
const SHARED_WIDTH_MIN = 150;

/** How much higher than others the row of a day may be, if it then fills the page. */
const GROWTH_MAX = 1.65;

/** The photos of one day in the list, by index. */
interface Run {
  date: string;
  month: string;
  first: number;
  end: number;
}

export function dayOf(photo: Pick<PhotoSummary, "taken">): string {
  return photo.taken?.slice(0, 10) ?? "";
}

/** The month that a photo stands in, so that whoever jumps to it finds those without a date, too. */
function monthOf(photo: PhotoSummary): string {
  return momentOf(photo)?.slice(0, 7) ?? "";
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
  const times = new Map<string, number>();
  for (const day of days) times.set(day.date, (times.get(day.date) ?? 0) + 1);
  const last = days.at(-1);
  let top = last ? last.top + last.height + DAY_GAP : 0;
  const runs = runsFrom(photos, last?.end ?? 0);
  for (let at = 0; at < runs.length;) {
    const widths = sideBySide(photos, runs, at, measure);
    const shared = widths.length > 1;
    let left = 0;
    for (const width of widths) {
      const run = runs[at++]!;
      const rowHeight = shared ? measure.rowHeight : fillingHeight(photos, run, measure);
      const fitted = { ...measure, width, rowHeight };
      const lines = rows(photos, run.first, run.end, fitted, measure.headingHeight);
      const bottom = lines.at(-1)!;
      const height = bottom.top + bottom.height;
      const time = (times.get(run.date) ?? 0) + 1;
      times.set(run.date, time);
      const key = `${run.date} ${time}`;
      days.push({ ...run, key, top, height, left, width, shared, rows: lines });
      left += width + DAY_GAP;
    }
    const end = days.at(-1)!;
    top = end.top + end.height + DAY_GAP;
  }
  const end = days.at(-1);
  return { days, height: end ? end.top + end.height : 0 };
}

function runsFrom(photos: readonly PhotoSummary[], start: number): Run[] {
  const runs: Run[] = [];
  for (let first = start; first < photos.length;) {
    const date = dayOf(photos[first]!);
    const month = monthOf(photos[first]!);
    const isSame = (photo: PhotoSummary): boolean =>
      dayOf(photo) === date && monthOf(photo) === month;
    let end = first + 1;
    while (end < photos.length && isSame(photos[end]!)) end += 1;
    runs.push({ date, month, first, end });
    first = end;
  }
  return runs;
}

/** The widths of the days from `at` on that fit side by side; a day for itself has the page. */
function sideBySide(
  photos: readonly PhotoSummary[],
  runs: readonly Run[],
  at: number,
  measure: Measure,
): number[] {
  const widths: number[] = [];
  let right = 0;
  for (const { first, end } of runs.slice(at, at + most(measure))) {
    const width = Math.max(SHARED_WIDTH_MIN, lineWidth(photos, first, end, measure));
    if (right + width > measure.width) break;
    widths.push(width);
    right += width + DAY_GAP;
  }
  return widths.length > 1 ? widths : [measure.width];
}

/** The height of rows at which a day of one row fills the page, if that is near the wished one. */
function fillingHeight(
  photos: readonly PhotoSummary[],
  { first, end }: Run,
  measure: Measure,
): number {
  const gaps = (end - first - 1) * measure.gap;
  const line = lineWidth(photos, first, end, measure);
  const growth = (measure.width - gaps) / (line - gaps);
  return growth > 1 && growth <= GROWTH_MAX ? measure.rowHeight * growth : measure.rowHeight;
}

function most(measure: Measure): number {
  return Math.ceil(measure.width / SHARED_WIDTH_MIN);
}

/**
 * The days of `before` that the new list begins with. Its last day may have grown and others may now
 * fit beside it, so it is laid out anew together with the days that it stands beside.
 */
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
  const top = timeline.days.at(-1)?.top;
  return same
    ? timeline.days.slice(
        0,
        timeline.days.findIndex((day) => day.top === top),
      )
    : [];
}

function sameShape(a: PhotoSummary, b: PhotoSummary): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      momentOf(a) === momentOf(b) &&
      a.taken === b.taken &&
      a.width === b.width &&
      a.height === b.height)
  );
}
