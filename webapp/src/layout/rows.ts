/**
 * Justified rows: photos of one day side by side at one height, each row as wide as the page.
 * Pure arithmetic in CSS pixels; all results are whole pixels, so that no seams show.
 */

export interface Tile {
  /** Index in the list of photos. */
  index: number;
  left: number;
  width: number;
}

export interface Row {
  /** Distance from the top of its day. */
  top: number;
  height: number;
  tiles: Tile[];
}

export interface Measure {
  /** Width to fill: of the page, or of a day that stands beside others. */
  width: number;
  /** Height that a row should have, if the photos happen to fit. */
  rowHeight: number;
  gap: number;
  /** Height of the heading of a day. */
  headingHeight: number;
}

interface Size {
  width: number | null;
  height: number | null;
}

const ASPECT_UNKNOWN = 3 / 2;
const ASPECT_MIN = 0.56;
const ASPECT_MAX = 2.4;

/** Width over height, within what a grid can show: panoramas are cropped, not made into lines. */
export function aspect({ width, height }: Size): number {
  if (!width || !height) return ASPECT_UNKNOWN;
  return Math.min(ASPECT_MAX, Math.max(ASPECT_MIN, width / height));
}

/** The whole pixels that photos `first` to `end` take in one row of the wished height. */
export function lineWidth(
  photos: readonly Size[],
  first: number,
  end: number,
  { rowHeight, gap, width }: Measure,
): number {
  let exact = -gap;
  for (let index = first; index < end && exact <= width; index++) {
    exact += aspect(photos[index]!) * rowHeight + gap;
  }
  return Math.ceil(exact);
}

/** Lay out photos `first` to `end` (exclusive) as rows, the first one at `top`. */
export function rows(
  photos: readonly Size[],
  first: number,
  end: number,
  measure: Measure,
  top: number,
): Row[] {
  const result: Row[] = [];
  let start = first;
  let sum = 0;
  for (let index = first; index < end; index++) {
    const wide = aspect(photos[index]!);
    const gaps = (index - start) * measure.gap;
    const fitting = (measure.width - gaps) / (sum + wide);
    // Close the row before this photo if that leaves its height nearer to the wish.
    if (index > start && fitting < measure.rowHeight) {
      const without = (measure.width - gaps + measure.gap) / sum;
      if (without - measure.rowHeight < measure.rowHeight - fitting) {
        top = push(result, photos, start, index, without, measure, top);
        start = index;
        sum = wide;
        continue;
      }
    }
    sum += wide;
    if (fitting <= measure.rowHeight) {
      top = push(result, photos, start, index + 1, fitting, measure, top);
      start = index + 1;
      sum = 0;
    }
  }
  if (start < end) {
    const full = (measure.width - (end - start - 1) * measure.gap) / sum;
    push(result, photos, start, end, Math.min(measure.rowHeight, full), measure, top);
  }
  return result;
}

function push(
  result: Row[],
  photos: readonly Size[],
  start: number,
  end: number,
  exactHeight: number,
  measure: Measure,
  top: number,
): number {
  const height = Math.max(1, Math.round(exactHeight));
  const tiles: Tile[] = [];
  let exactLeft = 0;
  for (let index = start; index < end; index++) {
    const exactWidth = aspect(photos[index]!) * exactHeight;
    const left = Math.round(exactLeft);
    const right = Math.min(measure.width, Math.round(exactLeft + exactWidth));
    tiles.push({ index, left, width: Math.max(1, right - left) });
    exactLeft += exactWidth + measure.gap;
  }
  result.push({ top, height, tiles });
  return top + height + measure.gap;
}
