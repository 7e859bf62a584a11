/** An edit as it will look when the node has taken it, so that a press of a key shows at once. */

import type { Edit, PhotoDetail, PhotoSummary } from "../api/types.ts";

export function editedSummary(photo: PhotoSummary, edit: Edit): PhotoSummary {
  const { rating, label, title } = { ...photo, ...edit };
  const conflicts = photo.conflicts.filter((name) => !(name in edit));
  return { ...photo, rating, label, title, conflicts };
}

/** The edited photo. An edit follows all versions it saw, so a contested field is settled by it. */
export function editedDetail(photo: PhotoDetail, edit: Edit): PhotoDetail {
  const { tags: change, ...sets } = edit;
  const fields = { ...photo.fields };
  for (const [name, value] of Object.entries(sets)) {
    fields[name] = { value, contested: false, versions: fields[name]?.versions ?? [] };
  }
  const removed = new Set(change?.remove);
  const kept = photo.tags.filter((tag) => !removed.has(tag));
  const tags = [...new Set([...kept, ...(change?.add ?? [])])].sort();
  return { ...photo, ...editedSummary(photo, edit), fields, tags };
}

/** The contested fields of a photo, the one that matters most to a photographer first. */
export function contestedFields(photo: PhotoDetail): string[] {
  const order = ["rating", "label", "title", "caption"];
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
