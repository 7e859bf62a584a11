/** An edit as it will look when the node has taken it, so that a press of a key shows at once. */

import type { Edit, PhotoDetail, PhotoSummary } from "../api/types.ts";

export function editedSummary(photo: PhotoSummary, edit: Edit): PhotoSummary {
  return edit.rating === undefined ? photo : { ...photo, rating: edit.rating };
}

/** The edited photo. An edit follows all versions it saw, so a contested field is settled by it. */
export function editedDetail(photo: PhotoDetail, edit: Edit): PhotoDetail {
  const fields = { ...photo.fields };
  for (const [name, value] of Object.entries(edit)) {
    fields[name] = { value, contested: false, versions: fields[name]?.versions ?? [] };
  }
  const conflicts = photo.conflicts.filter((name) => !(name in edit));
  return { ...photo, ...editedSummary(photo, edit), fields, conflicts };
}

/** The contested fields of a photo, the one that matters most to a photographer first. */
export function contestedFields(photo: PhotoDetail): string[] {
  const order = ["rating", "label", "title", "caption"];
  const place = (name: string): number => order.indexOf(name) + 1 || order.length + 1;
  return Object.keys(photo.fields)
    .filter((name) => photo.fields[name]!.contested)
    .sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** The tags, in whatever form the node gives the field. */
export function tagsOf(photo: PhotoDetail): string[] {
  const value = photo.fields["tags"]?.value;
  if (!Array.isArray(value)) return [];
  return value.filter((tag): tag is string => typeof tag === "string").sort();
}

/** The text of a field, "" if it has none. */
export function textOf(photo: PhotoDetail, name: string): string {
  const value = photo.fields[name]?.value;
  return typeof value === "string" ? value : "";
}
