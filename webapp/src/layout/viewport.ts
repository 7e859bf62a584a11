/** Which part of a timeline is in sight, and where a photo is in it. Binary search throughout. */

import type { Row, Tile } from "./rows.ts";
import type { Day, Timeline } from "./timeline.ts";

export interface VisibleDay {
  day: Day;
  rows: Row[];
}

/** The index of the first element for which `test` holds, given that it holds from there on. */
export function firstWhere<T>(items: readonly T[], test: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (test(items[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The days and rows that touch the stretch from `top` to `bottom`. */
export function visible(timeline: Timeline, top: number, bottom: number): VisibleDay[] {
  const result: VisibleDay[] = [];
  const from = firstWhere(timeline.days, (day) => day.top + day.height > top);
  for (let index = from; index < timeline.days.length; index++) {
    const day = timeline.days[index]!;
    if (day.top >= bottom) break;
    const first = firstWhere(day.rows, (row) => day.top + row.top + row.height > top);
    const end = firstWhere(day.rows, (row) => day.top + row.top >= bottom);
    result.push({ day, rows: day.rows.slice(first, Math.max(first, end)) });
  }
  return result;
}

export interface Place {
  day: Day;
  row: Row;
  /** Distance of the row from the top of the timeline. */
  top: number;
  tile: Tile;
}

/** Where the photo with this index is, or null if there is none. */
export function placeOf(timeline: Timeline, index: number): Place | null {
  const day = timeline.days[firstWhere(timeline.days, (each) => each.end > index)];
  if (day === undefined || index < 0) return null;
  const row = day.rows[firstWhere(day.rows, (each) => each.tiles.at(-1)!.index >= index)]!;
  return { day, row, top: day.top + row.top, tile: row.tiles[index - row.tiles[0]!.index]! };
}

export type Step = "left" | "right" | "up" | "down" | "first" | "last";

/** The index of the photo that an arrow key leads to; at the rims it stays where it is. */
export function stepFrom(timeline: Timeline, index: number, step: Step): number {
  const end = timeline.days.at(-1)?.end ?? 0;
  if (end === 0) return 0;
  switch (step) {
    case "left":
      return Math.max(0, index - 1);
    case "right":
      return Math.min(end - 1, index + 1);
    case "first":
      return 0;
    case "last":
      return end - 1;
    default:
      return verticalStep(timeline, index, step === "up" ? -1 : 1);
  }
}

interface Spot {
  index: number;
  /** Distance of its middle from the left of the timeline. */
  middle: number;
}

/** All photos at the height of the one with this index, those of the days beside it included. */
function lineOf(timeline: Timeline, index: number): Spot[] {
  const place = placeOf(timeline, index);
  if (place === null) return [];
  const { days } = timeline;
  const from = firstWhere(days, (day) => day.top >= place.day.top);
  const end = firstWhere(days, (day) => day.top > place.day.top);
  const beside = place.day.shared ? days.slice(from, end) : [{ ...place.day, rows: [place.row] }];
  return beside.flatMap((day) =>
    day.rows[0]!.tiles.map((tile) => ({
      index: tile.index,
      middle: day.left + tile.left + tile.width / 2,
    })),
  );
}

function verticalStep(timeline: Timeline, index: number, direction: 1 | -1): number {
  const here = lineOf(timeline, index);
  if (here.length === 0) return index;
  const there = lineOf(timeline, direction < 0 ? here[0]!.index - 1 : here.at(-1)!.index + 1);
  if (there.length === 0) return index;
  const { middle } = here[index - here[0]!.index]!;
  const nearest = there.reduce((best, spot) =>
    Math.abs(spot.middle - middle) < Math.abs(best.middle - middle) ? spot : best,
  );
  return nearest.index;
}
