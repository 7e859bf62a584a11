/** What an event of the node makes old. Pure. */

import type { NodeEvent } from "../api/events.ts";

export interface News {
  /** Photos that may be others now; "all": so many that they are not named. */
  photos: readonly string[] | "all";
  /** An album was made, renamed or deleted, or its search is another one. */
  albums: boolean;
}

/** Null if nothing that the page lists is old now. */
export function newsOf(event: NodeEvent): News | null {
  switch (event.name) {
    case "gap":
      return { photos: "all", albums: true };
    case "photos":
    case "holdings":
      return { photos: event.data.ids.length > 0 ? event.data.ids : "all", albums: false };
    case "placement": // what is said of a photo that is shown may be other; no list is
      return { photos: [], albums: false };
    case "albums":
      return { photos: [], albums: true };
    default:
      return null;
  }
}
