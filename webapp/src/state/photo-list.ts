/**
 * The timeline as the page knows it: photos of a filter in one piece, from where it was opened up to
 * where it has paged. Pure: every function returns a new list (or the same one if nothing differs).
 */

import type { PhotoPage, PhotoSummary } from "../api/types.ts";
import { plainOf } from "../query.ts";
import { EVERYTHING, type Filter } from "../route.ts";

export interface PhotoList {
  readonly items: readonly PhotoSummary[];
  /** Where the next page begins; null before the first page and after the last. */
  readonly next: string | null;
  /** Whether the last page is in. */
  readonly complete: boolean;
  /** Where the next page of newer photos begins; null before the first one. */
  readonly newer: string | null;
  /** Whether it begins with the newest photo, and not where somebody jumped to. */
  readonly fromTop: boolean;
}

export const EMPTY: PhotoList = {
  items: [],
  next: null,
  complete: false,
  newer: null,
  fromTop: true,
};

/** The empty list that a filter begins with. */
export function emptyOf(filter: Filter): PhotoList {
  return filter.at === null ? EMPTY : { ...EMPTY, fromTop: false };
}

/** Where a photo stands in the timeline: without a date where it was added. Old nodes do not tell. */
export function momentOf(photo: PhotoSummary): string | null {
  return photo.taken ?? photo.added?.slice(0, "2024-05-17T09:30:12".length) ?? null;
}

/** Newest first, ties as the node breaks them. It says nothing (0) where the place is not known. */
export function compare(a: PhotoSummary, b: PhotoSummary): number {
  const [left, right] = [momentOf(a), momentOf(b)];
  if (left === null || right === null) return 0;
  if (left !== right) return left < right ? 1 : -1;
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

/** Whether only the node knows where one of these photos belongs. */
export function needsPlace(list: PhotoList, read: readonly PhotoSummary[]): boolean {
  const undated = read.filter((photo) => momentOf(photo) === null).map((photo) => photo.id);
  if (undated.length === 0) return false;
  const known = new Set(list.items.map((photo) => photo.id));
  return undated.some((id) => !known.has(id));
}

/** Whether the page can tell that a photo no longer fits; most queries only the node can judge. */
export function fits(photo: PhotoSummary, { q }: Filter = EVERYTHING): boolean {
  const plain = plainOf(q);
  if (plain === null) return true;
  if (photo.trashed) return false;
  if (plain.rating !== null && (photo.rating ?? 0) < plain.rating) return false;
  return !plain.conflicts || photo.conflicts.length > 0;
}

/** Add the page that follows. A photo that moved between two pages is kept once, as newest read. */
export function withPage(list: PhotoList, page: PhotoPage): PhotoList {
  const arrived = new Set(page.items.map((photo) => photo.id));
  const kept = list.items.some((photo) => arrived.has(photo.id))
    ? list.items.filter((photo) => !arrived.has(photo.id))
    : list.items;
  return {
    ...list,
    items: [...kept, ...page.items],
    next: page.next,
    complete: page.next === null,
  };
}

/** Add the page of newer photos, which comes oldest first. */
export function withNewer(list: PhotoList, page: PhotoPage): PhotoList {
  const known = new Set(list.items.map((photo) => photo.id));
  const fresh = page.items.filter((photo) => !known.has(photo.id)).reverse();
  return {
    ...list,
    items: [...fresh, ...list.items],
    newer: page.next,
    fromTop: page.next === null,
  };
}

/**
 * Take in what was read about single photos, and drop those in `gone`. A photo the list did not
 * have is put in its place only if that place is already paged in, the page can judge the filter by
 * itself, and the place is known (see `needsPlace`).
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
    else if (momentOf(now) === momentOf(old)) items.push(now);
    else if (momentOf(now) !== null) insert.push(now);
  }
  if (plainOf(filter.q) !== null) {
    const placed = [...fresh.values()].filter((photo) => momentOf(photo) !== null);
    insert.push(...placed.filter((photo) => fits(photo, filter)));
  }
  return { ...list, items: merged(items, insert, list) };
}

/** Merge newcomers into an ordered list; what belongs behind an open end waits for its page. */
function merged(
  items: PhotoSummary[],
  insert: PhotoSummary[],
  { complete, fromTop }: PhotoList,
): readonly PhotoSummary[] {
  if (insert.length === 0) return items;
  insert.sort(compare);
  const result: PhotoSummary[] = [];
  let from = 0;
  if (!fromTop && items[0]) {
    while (from < insert.length && compare(insert[from]!, items[0]) < 0) from += 1;
  }
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
  const isLast = list.complete && momentOf(photo) !== null;
  return { newer: isLast ? (list.items.at(-1) ?? null) : null, older: null };
}

/** Whether a month lies in the part of the timeline that is paged in. */
export function holds(list: PhotoList, month: string): boolean {
  const first = list.items.find((photo) => momentOf(photo) !== null);
  const newest = list.fromTop ? "9999" : ((first && momentOf(first)) ?? "").slice(0, 7);
  return month <= newest && reaches(list, `${month}-99`);
}

/** Whether the list reaches beyond a moment, so that a photo of that moment would be in it. */
export function reaches(list: PhotoList, moment: string): boolean {
  const last = list.items.findLast((photo) => momentOf(photo) !== null);
  return list.complete || (last !== undefined && momentOf(last)! < moment);
}
