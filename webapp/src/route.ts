/**
 * Where the page is, as a value and as the part of the address behind "#". Every view can be
 * reloaded, linked and walked with the browser's own back button. Unknown addresses mean the grid.
 */

export interface Filter {
  q: string;
  /** Least rating, 1 to 5, or null for any. */
  rating: number | null;
  camera: string;
  conflicts: boolean;
}

export type Route =
  | { view: "library"; filter: Filter }
  | { view: "photo"; id: string; filter: Filter }
  | { view: "conflicts" }
  | { view: "nodes" };

export const EVERYTHING: Filter = { q: "", rating: null, camera: "", conflicts: false };

export function isEverything(filter: Filter): boolean {
  return !filter.q && filter.rating === null && !filter.camera && !filter.conflicts;
}

export function sameFilter(a: Filter, b: Filter): boolean {
  return filterQuery(a) === filterQuery(b);
}

function filterQuery(filter: Filter): string {
  const query = new URLSearchParams();
  if (filter.q) query.set("q", filter.q);
  if (filter.rating !== null) query.set("rating", String(filter.rating));
  if (filter.camera) query.set("camera", filter.camera);
  if (filter.conflicts) query.set("conflicts", "true");
  const text = query.toString();
  return text && `?${text}`;
}

function parseFilter(text: string): Filter {
  const query = new URLSearchParams(text);
  const rating = Number.parseInt(query.get("rating") ?? "", 10);
  return {
    q: query.get("q") ?? "",
    rating: rating >= 1 && rating <= 5 ? rating : null,
    camera: query.get("camera") ?? "",
    conflicts: query.get("conflicts") === "true",
  };
}

/** Write a route as a hash, "#" included. */
export function hashOf(route: Route): string {
  switch (route.view) {
    case "library":
      return `#/${filterQuery(route.filter)}`;
    case "photo":
      return `#/photo/${encodeURIComponent(route.id)}${filterQuery(route.filter)}`;
    case "conflicts":
      return "#/conflicts";
    case "nodes":
      return "#/nodes";
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
  if (parts[0] === "conflicts") return { view: "conflicts" };
  if (parts[0] === "nodes") return { view: "nodes" };
  return { view: "library", filter: parseFilter(query) };
}
