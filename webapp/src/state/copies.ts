/** How many copies of the photos there are, and when they are verified, in words. Pure. */

import type { Redundancy, ScrubCalendar } from "../api/storage.ts";
import { bytes, count, counted, dateWords } from "../format.ts";

/** Photos with so many copies that count: one line of the list. */
export interface CopiesLine {
  words: string;
  photos: number;
  bytes: number;
  /** Of all photos, 0 to 1. */
  share: number;
  tone: "good" | "warn" | "bad";
  /** The query that lists them. */
  query: string;
}

/** What is there of photos with no, one, two, or more copies; no line for none, unless it is all. */
export function copiesLines(told: Redundancy): CopiesLine[] {
  const most = told.copies.at(-1)?.copies ?? 0;
  return told.copies
    .filter(({ photos, copies }) => photos > 0 || copies >= told.min_copies)
    .map(({ copies, photos, bytes: size }) => ({
      words: copies === 0 ? "no copy that counts" : copiesWords(copies, copies === most),
      photos,
      bytes: size,
      share: told.photos > 0 ? photos / told.photos : 0,
      tone: copies === 0 ? "bad" : copies < told.min_copies ? "warn" : "good",
      query: copies === most ? `copies>=${copies}` : `copies:${copies}`,
    }));
}

function copiesWords(copies: number, isMost: boolean): string {
  if (copies === 1 && !isMost) return "1 copy";
  return `${copies}${isMost ? " or more" : ""} copies`;
}

/** `atRisk`: photos with fewer copies than the rules want of them, which may be more than two. */
export function copiesHeadline(told: Redundancy, atRisk: number): string {
  if (told.photos === 0) return "There is no photo yet.";
  if (atRisk > told.below) {
    const have = atRisk === 1 ? "photo has" : "photos have";
    return `${count(atRisk)} ${have} fewer copies than the library’s rules want.`;
  }
  const wanted = counted(told.min_copies, "copy", "copies");
  if (told.below === 0) return `Every photo has ${wanted} or more.`;
  const have = told.below === 1 ? "photo has" : "photos have";
  return `${count(told.below)} ${have} fewer than ${wanted}.`;
}

/** Roles that keep; mobile nodes pass on, so that what they lack is nothing to worry about. */
export const KEEPING_ROLES: readonly string[] = ["central", "archive"];

/** "On archives: every photo." */
export function roleWords({ role, photos, lacking }: Redundancy["roles"][number]): string {
  const on = role === "archive" ? "archives" : `${role} nodes`;
  if (lacking === 0) return `On ${on}: every photo.`;
  return `On ${on}: ${counted(photos, "photo")}; not ${count(lacking)}.`;
}

/** What waits for a node that is away; "" if nothing does. */
export function awaitedWords(told: Redundancy): string {
  if (told.awaited === 0) return "";
  const are = counted(told.awaited, "original is", "originals are");
  const words = `${are} wanted here and not here yet, ${bytes(told.awaited_bytes)}`;
  if (told.unreachable === 0) return `${words}.`;
  return `${words}; ${count(told.unreachable)} of them on no node that is connected now.`;
}

/** When everything here was verified once more; "" where nothing is stored. */
export function calendarWords(calendar: ScrubCalendar, isPaused: boolean): string {
  if (calendar.days === 0)
    return "Nothing is read again by itself: `scrub_days` is 0 in the settings.";
  if (calendar.parts.length === 0) return "";
  if (isPaused || calendar.all_by === null) return "Verifying is paused, so nobody can say when.";
  return `Everything here will have been read and verified once more by ${dateWords(calendar.all_by)}.`;
}

/** One part of the calendar: when, and how much. */
export function partWords(part: ScrubCalendar["parts"][number]): { when: string; what: string } {
  return {
    when: part.begin === part.end ? "Due now" : `By ${dateWords(part.end)}`,
    what: `${counted(part.files, "file")}, ${bytes(part.bytes)}`,
  };
}

/** Whether the rate is too low for the period; then verification falls behind. */
export function isTooSlow(calendar: ScrubCalendar): boolean {
  const last = calendar.parts.at(-1);
  return calendar.all_by !== null && last !== undefined && calendar.all_by > last.end;
}
