/** The part of the query language that the make-believe node understands. */

import { terms } from "../src/query.ts";
import type { Photo } from "./library.ts";

export interface DevAlbum {
  id: string;
  name: string;
  query: string | null;
  conflicts: string[];
}

export class Unreadable extends Error {
  constructor(
    message: string,
    readonly position: number,
    readonly length: number,
  ) {
    super(`${message} (character ${position + 1})`);
  }
}

const shown = (photo: Photo, field: string): unknown => photo.fields[field]?.[0]?.value ?? null;

/** A test of one photo. Raises Unreadable. */
export function reader(q: string, albums: DevAlbum[], depth = 0): (photo: Photo) => boolean {
  const all = terms(q).map(({ from, text }) => {
    const negated = text.startsWith("-");
    const test = readTerm(negated ? text.slice(1) : text, from, albums, depth);
    return (photo: Photo): boolean => test(photo) !== negated;
  });
  const trash = q.includes("is:trashed");
  return (photo) => (trash || !photo.trashed) && all.every((test) => test(photo));
}

function readTerm(
  text: string,
  from: number,
  albums: DevAlbum[],
  depth: number,
): (photo: Photo) => boolean {
  if (text.startsWith("(") && text.endsWith(")")) return reader(text.slice(1, -1), albums, depth);
  const match = /^([a-z]+)(>=|<=|:|=|<|>)"?(.*?)"?$/is.exec(text);
  if (!match) {
    const word = text.replaceAll('"', "").toLowerCase();
    return (photo) =>
      `${photo.name} ${String(shown(photo, "title"))} ${photo.tags.join(" ")}`
        .toLowerCase()
        .includes(word);
  }
  const [, field = "", sign, value = ""] = match;
  switch (field) {
    case "rating":
      if (!/^-?\d$/.test(value)) break;
      return (photo) => {
        const rating = Number(shown(photo, "rating") ?? 0);
        return sign === ">=" ? rating >= Number(value) : rating === Number(value);
      };
    case "is":
      return (photo) =>
        value === "trashed"
          ? photo.trashed !== undefined
          : value !== "contested" || Object.values(photo.fields).some((each) => each.length > 1);
    case "taken":
      return (photo) => photo.taken.startsWith(value);
    case "camera":
      return (photo) => String(photo.facts["camera_model"]).includes(value);
    case "tag":
      return (photo) => photo.tags.includes(value);
    case "flag":
    case "label":
      return (photo) => shown(photo, field) === value;
    case "id":
      return (photo) => photo.id.startsWith(value);
    case "sort":
      return () => true;
    case "album": {
      const album = albums.find(({ id, name }) => id === value || name === value);
      if (!album || depth > 3) return () => false;
      if (album.query === null) return (photo) => photo.albums.includes(album.id);
      return reader(album.query, albums, depth + 1);
    }
    default:
      throw new Unreadable(`there is no field ${field}`, from, field.length);
  }
  const start = text.length - value.length;
  throw new Unreadable(`${value || "nothing"} is no value of ${field}`, from + start, value.length);
}
