/** What is said of verifying stored files. Pure. */

import type { Scrub, Verification } from "../api/moving.ts";
import { bytes, counted, dateWords } from "../format.ts";

/** When the files here were last read and found right, in one sentence. */
export function verifiedWords(scrub: Scrub): string {
  if (scrub.oldest === null) return "Nothing is stored here yet.";
  const every = scrub.damaged + scrub.unreadable > 0 ? "Every other file" : "Every file";
  return `${every} here was read and found right on ${dateWords(scrub.oldest)} or later.`;
}

/** How it goes on by itself. */
export function rhythmWords(scrub: Scrub): string {
  if (scrub.days === 0) return "Files are only verified when somebody asks for it.";
  const rhythm = `Each file is read again within ${counted(scrub.days, "day")}`;
  return scrub.paused ? `${rhythm}, but this is paused.` : `${rhythm}.`;
}

/** What is wrong, or late: none if all is well. */
export function scrubWarnings(scrub: Scrub): string[] {
  const warnings: string[] = [];
  if (scrub.damaged > 0) {
    const are = counted(scrub.damaged, "file is", "files are");
    warnings.push(`${are} damaged, and repaired as soon as another node that has them is there.`);
  }
  if (scrub.unreadable > 0) {
    const gives = counted(scrub.unreadable, "file");
    warnings.push(`The disk does not give ${gives}: look after the disk.`);
  }
  if (scrub.days > 0 && scrub.overdue > 0) {
    const are = counted(scrub.overdue, "file is", "files are");
    warnings.push(`${are} overdue, ${bytes(scrub.overdue_bytes)}.`);
  }
  return warnings;
}

/** How a verification goes, or how it went. */
export function verificationWords(told: Verification): string {
  if (!told.finished) {
    const of = told.total === null ? "" : ` of ${counted(told.total, told.counts.slice(0, -1))}`;
    const done = told.total === null ? counted(told.done, told.counts.slice(0, -1)) : told.done;
    return `Verifying: ${done}${of}, ${bytes(told.bytes)}`;
  }
  const bad = told.mended + told.damaged + told.lost + told.unreadable;
  const right = told.blobs === 0 ? "nothing to verify" : "all as they should be";
  const found = bad === 0 ? right : `${counted(bad, "file")} not as they should be`;
  return `Verified ${counted(told.blobs, "file")}, ${bytes(told.bytes)}: ${found}.`;
}
