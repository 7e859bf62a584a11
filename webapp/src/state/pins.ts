/** Pins: rules of placement that have one node keep what a query finds. Pure. */

import type { PlacementPolicy } from "../api/storage.ts";
import type { Album } from "../api/types.ts";
import { counted, shortId } from "../format.ts";

const KEEP = "keep on ";

/** A node, as a rule may name it. */
export interface Keeper {
  id: string;
  name: string | null;
  role: string;
}

export interface Pin {
  /** The rule. */
  text: string;
  /** "" is everything. */
  query: string;
  /** An id, a name or a role. */
  on: string;
  here: boolean;
  contested: boolean;
  photos: number | null;
  /** The rule says more than to keep, so it is not taken back here. */
  more: boolean;
}

/** The rules that have some node keep photos, those of this node first. */
export function pinsOf(policy: PlacementPolicy, me: Keeper): Pin[] {
  const pins = policy.rules.flatMap((rule): Pin[] => {
    const end = rule.text.indexOf(": ");
    if (end < 0) return [];
    const condition = rule.text.slice(0, end);
    const wants = rule.text
      .slice(end + 2)
      .split(",")
      .map((want) => want.trim());
    return wants
      .filter((want) => want.toLowerCase().startsWith(KEEP))
      .map((want) => {
        const on = want.slice(KEEP.length).trim();
        return {
          text: rule.text,
          query: condition === "everything" ? "" : condition.replace(/^where\s+/i, ""),
          on,
          here: [me.id, me.name, me.role].includes(on),
          contested: rule.contested,
          photos: rule.photos,
          more: wants.length > 1,
        };
      });
  });
  return pins.sort((a, b) => Number(b.here) - Number(a.here));
}

/** The rule that a pin is. */
export function pinRule(query: string, node: string): string {
  return `where ${query.trim()}: ${KEEP}${node}`;
}

/** "The album Iceland", "tag:portfolio". */
export function pinnedWords(query: string, albums: readonly Album[]): string {
  if (query === "") return "Every photo";
  const id = /^album:([0-9a-f]{32})$/.exec(query)?.[1];
  if (id === undefined) return query;
  const album = albums.find((one) => one.id === id);
  return album ? `The album ${album.name}` : "An album that was deleted";
}

/** Where it is kept. */
export function keeperWords(pin: Pin, keepers: readonly Keeper[]): string {
  if (pin.here) return "kept on this node";
  const node = keepers.find(({ id }) => id === pin.on);
  return `kept on ${node ? (node.name ?? shortId(node.id)) : pin.on.startsWith("12D3") ? shortId(pin.on) : pin.on}`;
}

export function photosWords(pin: Pin): string {
  return pin.photos === null ? "this node cannot read it" : counted(pin.photos, "photo");
}
