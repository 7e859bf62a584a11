/**
 * The bar of months beside the timeline: each month as high as its share of the photos, but never so
 * low that nobody could hit it. Numbers only; whatever lies in it, the bar is a few elements.
 */

export interface MonthCount {
  /** "2024-05". */
  month: string;
  count: number;
}

export interface MonthSpan extends MonthCount {
  top: number;
  height: number;
}

const SPAN_MIN_PX = 2;
const LABEL_PX = 22;

/** Where each month lies on a bar of this height, the newest at its top. */
export function monthSpans(months: readonly MonthCount[], height: number): MonthSpan[] {
  const least = Math.min(SPAN_MIN_PX, height / Math.max(1, months.length));
  const total = months.reduce((sum, { count }) => sum + count, 0);
  const free = Math.max(0, height - least * months.length);
  let top = 0;
  return months.map((each) => {
    const span = { ...each, top, height: least + (total ? (free * each.count) / total : 0) };
    top += span.height;
    return span;
  });
}

/** The index of the month at a height of the bar; -1 if there is none. */
export function monthAt(spans: readonly MonthSpan[], y: number): number {
  const at = spans.findIndex((span) => y < span.top + span.height);
  return at >= 0 ? at : spans.length - 1;
}

/** The index of a month, or of the first older one where there are no photos of it. */
export function monthIndex(months: readonly MonthCount[], month: string): number {
  const at = months.findIndex((each) => each.month <= month);
  return at >= 0 ? at : months.length - 1;
}

/** The years to write beside the bar, as many as there is room for. */
export function yearLabels(spans: readonly MonthSpan[]): { year: string; top: number }[] {
  const labels: { year: string; top: number }[] = [];
  let year = "";
  for (const span of spans) {
    if (span.month.slice(0, 4) === year) continue;
    year = span.month.slice(0, 4);
    if (span.top - (labels.at(-1)?.top ?? -Infinity) >= LABEL_PX)
      labels.push({ year, top: span.top });
  }
  return labels;
}

/** The month after: "2024-12" is followed by "2025-01". */
export function monthAfter(month: string): string {
  const [year, number] = month.split("-").map(Number) as [number, number];
  const next = number === 12 ? [year + 1, 1] : [year, number + 1];
  return `${String(next[0]).padStart(4, "0")}-${String(next[1]).padStart(2, "0")}`;
}
