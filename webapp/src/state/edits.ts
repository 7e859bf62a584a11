/** An edit as it will look when the node has taken it, so that a press of a key shows at once. */

import type { Edit, PhotoDetail, PhotoSummary } from "../api/types.ts";
import { ratingOfKey, ratingWords } from "../rating.ts";

export function editedSummary(photo: PhotoSummary, edit: Edit): PhotoSummary {
  const { rating, label, title, flag } = { ...photo, ...edit };
  const conflicts = photo.conflicts.filter((name) => !(name in edit));
  return { ...photo, rating, label, title, flag, conflicts };
}

/** The edited photo. An edit follows all versions it saw, so a contested field is settled by it. */
export function editedDetail(photo: PhotoDetail, edit: Edit): PhotoDetail {
  const { tags: change, albums: moved, ...sets } = edit;
  const fields = { ...photo.fields };
  for (const [name, value] of Object.entries(sets)) {
    fields[name] = { value, contested: false, versions: fields[name]?.versions ?? [] };
  }
  const tags = editedSet(photo.tags, change);
  const albums = editedSet(photo.albums, moved);
  return { ...photo, ...editedSummary(photo, edit), fields, tags, albums };
}

function editedSet(before: string[], change: Edit["tags"]): string[] {
  const removed = new Set(change?.remove);
  const kept = before.filter((value) => !removed.has(value));
  return [...new Set([...kept, ...(change?.add ?? [])])].sort();
}

/** What a key says of a photo, or null if it means something else. */
export function editOfKey(key: string): Edit | null {
  const rating = ratingOfKey(key);
  if (rating !== null) return { rating };
  if (key === "p" || key === "P") return { flag: "pick" };
  return key === "u" || key === "U" ? { flag: null } : null;
}

/** What an edit of many photos did, as a notice tells it. */
export function editWords(edit: Edit): string {
  const { rating, label, flag, tags, albums } = edit;
  if (rating !== undefined) return `Rated ${ratingWords(rating)}`;
  if (label !== undefined) return label ? `Labelled ${label}` : "Label removed";
  if (flag !== undefined) return flag === null ? "Flag removed" : `Flagged as ${flag}`;
  if (tags?.add?.length) return `Tagged ${tags.add.join(", ")}`;
  if (tags?.remove?.length) return `Tag ${tags.remove.join(", ")} removed`;
  if (albums?.add?.length) return "Put into the album";
  return albums?.remove?.length ? "Taken out of the album" : "Edited";
}

/** The contested fields of a photo, the one that matters most to a photographer first. */
export function contestedFields(photo: PhotoDetail): string[] {
  const order = ["rating", "flag", "label", "title", "caption"];
  const place = (name: string): number => order.indexOf(name) + 1 || order.length + 1;
  return Object.keys(photo.fields)
    .filter((name) => photo.fields[name]!.contested)
    .sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** The text of a field, "" if it has none. */
export function textOf(photo: PhotoDetail, name: string): string {
  const value = photo.fields[name]?.value;
  return typeof value === "string" ? value : "";
}
