/**
 * The timeline as the page knows it: the first photos of a filter, newest first, up to where it has
 * paged. Pure: every function returns a new list (or the same one if nothing is different).
 */

import type { PhotoPage, PhotoSummary } from "../api/types.ts";
import type { Filter } from "../route.ts";

export interface PhotoList {
  readonly items: readonly PhotoSummary[];
  /** Where the next page begins; null before the first page and after the last. */
  readonly next: string | null;
  /** Whether the last page is in. */
  readonly complete: boolean;
}

export const EMPTY: PhotoList = { items: [], next: null, complete: false };

/** Newest first, undated last, ties by id so that the order is one. */
export function compare(a: PhotoSummary, b: PhotoSummary): number {
  if (a.taken !== b.taken) {
    if (a.taken === null) return 1;
    if (b.taken === null) return -1;
    return a.taken < b.taken ? 1 : -1;
  }
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

/** Whether the page can tell that a photo no longer fits; text search only the node can judge. */
export function fits(photo: PhotoSummary, filter: Filter): boolean {
  if (filter.rating !== null && (photo.rating ?? 0) < filter.rating) return false;
  return !filter.conflicts || photo.conflicts.length > 0;
}

/** Add the page that follows. A photo that moved between two pages is kept once, as newest read. */
export function withPage(list: PhotoList, page: PhotoPage): PhotoList {
  const arrived = new Set(page.items.map((photo) => photo.id));
  const kept = list.items.some((photo) => arrived.has(photo.id))
    ? list.items.filter((photo) => !arrived.has(photo.id))
    : list.items;
  return {
    items: [...kept, ...page.items],
    next: page.next,
    complete: page.next === null,
  };
}

/**
 * Take in what was read about single photos, and drop those in `gone`. A photo the list did not
 * have is put in its place only if that place is already paged in, and only if the page can judge
 * the filter by itself.
 */
export function withPhotos(
  list: PhotoList,
  read: readonly PhotoSummary[],
  gone: readonly string[],
  filter: Filter,
): PhotoList {
  const fresh = new Map(read.map((photo) => [photo.id, photo]));
  const lost = new Set(gone);
  const items: PhotoSummary[] = [];
  const insert: PhotoSummary[] = [];
  for (const old of list.items) {
    const now = fresh.get(old.id);
    fresh.delete(old.id);
    if (lost.has(old.id)) continue;
    if (now === undefined) items.push(old);
    else if (!fits(now, filter)) continue;
    else if (now.taken === old.taken) items.push(now);
    else insert.push(now);
  }
  if (!filter.q && !filter.camera) {
    insert.push(...[...fresh.values()].filter((photo) => fits(photo, filter)));
  }
  return { ...list, items: merged(items, insert, list.complete) };
}

/** Merge newcomers into an ordered list; what belongs behind an open end waits for its page. */
function merged(
  items: PhotoSummary[],
  insert: PhotoSummary[],
  complete: boolean,
): readonly PhotoSummary[] {
  if (insert.length === 0) return items;
  insert.sort(compare);
  const result: PhotoSummary[] = [];
  let from = 0;
  for (const photo of items) {
    while (from < insert.length && compare(insert[from]!, photo) < 0) result.push(insert[from++]!);
    result.push(photo);
  }
  if (complete) result.push(...insert.slice(from));
  return result;
}

export interface Neighbours {
  newer: PhotoSummary | null;
  older: PhotoSummary | null;
}

/**
 * The photos beside one in the timeline. It works by the order, so it still answers for a photo that
 * just fell out of the filter; `older` is null, too, where the list is not paged that far.
 */
export function neighbours(list: PhotoList, photo: PhotoSummary): Neighbours {
  const at = list.items.findIndex((other) => other.id === photo.id);
  if (at >= 0) return { newer: list.items[at - 1] ?? null, older: list.items[at + 1] ?? null };
  const after = list.items.findIndex((other) => compare(photo, other) < 0);
  if (after >= 0) return { newer: list.items[after - 1] ?? null, older: list.items[after]! };
  return { newer: list.complete ? (list.items.at(-1) ?? null) : null, older: null };
}
