/**
 * Where the page is, as a value and as the part of the address behind "#". Every view can be
 * reloaded, linked and walked with the browser's own back button. Unknown addresses mean the grid.
 */

import { quoted, withContested, withRating, withTerm } from "./query.ts";

export interface Filter {
  /** In the node's query language, docs/search.md. */
  q: string;
  /** The month at which the timeline is opened, "2019-07"; null: at its newest photo. */
  at: string | null;
}

export type Route =
  | { view: "library"; filter: Filter }
  | { view: "photo"; id: string; filter: Filter }
  | { view: "conflicts" | "nodes" | "moving" | "storage" | "history" | "trash" | "audit" };

export const EVERYTHING: Filter = { q: "", at: null };

export function isEverything(filter: Filter): boolean {
  return !filter.q;
}

export function sameFilter(a: Filter, b: Filter): boolean {
  return filterQuery(a) === filterQuery(b);
}

function filterQuery(filter: Filter): string {
  const query = new URLSearchParams();
  if (filter.q) query.set("q", filter.q);
  if (filter.at !== null) query.set("at", filter.at);
  const text = query.toString();
  return text && `?${text}`;
}

function parseFilter(text: string): Filter {
  const query = new URLSearchParams(text);
  const at = query.get("at") ?? "";
  let q = query.get("q") ?? "";
  // Addresses of before there was a query language had members of their own.
  const rating = Number.parseInt(query.get("rating") ?? "", 10);
  if (rating >= 1 && rating <= 5) q = withRating(q, rating);
  const camera = query.get("camera");
  if (camera) q = withTerm(q, () => false, `camera=${quoted(camera)}`);
  if (query.get("conflicts") === "true") q = withContested(q, true);
  return { q, at: /^\d{4}-(0[1-9]|1[0-2])$/.test(at) ? at : null };
}

/** Write a route as a hash, "#" included. */
export function hashOf(route: Route): string {
  switch (route.view) {
    case "library":
      return `#/${filterQuery(route.filter)}`;
    case "photo":
      return `#/photo/${encodeURIComponent(route.id)}${filterQuery(route.filter)}`;
    default:
      return `#/${route.view}`;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Read a hash, with or without its "#". Never fails. */
export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  if (parts[0] === "photo" && parts[1]) {
    return { view: "photo", id: decoded(parts[1]), filter: parseFilter(query) };
  }
  switch (parts[0]) {
    case "conflicts":
    case "nodes":
    case "moving":
    case "storage":
    case "history":
    case "trash":
    case "audit":
      return { view: parts[0] };
  }
  return { view: "library", filter: parseFilter(query) };
}
