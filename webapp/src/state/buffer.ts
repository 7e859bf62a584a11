/** What is said of the room on this node, and of what leaves it. Pure. */

import type { AuditEntry } from "../api/audit.ts";
import type { Buffer, Eviction, Evictions } from "../api/storage.ts";
import type { Peer } from "../api/types.ts";
import { aboutWait, ago, bytes, counted, shortId } from "../format.ts";

/** What a person must know of the buffer, then what the node does about it. */
export interface BufferWords {
  headline: string;
  detail: string;
  tone: "good" | "warn" | "bad";
}

/** `plan`: what would go if everything had to, where that is known. */
export function bufferWords(buffer: Buffer, plan: Evictions | null = null): BufferWords {
  const { high_bytes, low_bytes, full_in_s, evicts } = buffer;
  const soon = full_in_s === null ? "" : `Full in ${aboutWait(full_in_s)} at the present rate. `;
  switch (buffer.state) {
    case "evicting":
      return {
        headline: "Making room: the oldest originals go, one proven photo after another.",
        detail: `Down to ${bytes(low_bytes)}. Previews stay, so every photo stays on the page.`,
        tone: "good",
      };
    case "filling":
      if (plan && plan.going.length > 0 && plan.staying.length === 0) {
        return {
          headline: "It fills up, and all that is here may go when it must.",
          detail: `${soon}At ${bytes(high_bytes)} the oldest originals go that others prove to hold.`,
          tone: "good",
        };
      }
      return {
        headline: "It fills up, and too little of it may go.",
        detail: `${soon}Nothing is dropped that others have not proven to hold.`,
        tone: "warn",
      };
    case "stuck":
      return {
        headline: "It is over its mark, and too little of it may go.",
        detail: `${soon}New photos are taken in more slowly; nothing is dropped unproven.`,
        tone: "bad",
      };
    case "full":
      return {
        headline: "It is full: new photos wait until there is room.",
        detail: "Keep the card. What waits is taken in by itself when something may go.",
        tone: "bad",
      };
    default:
      return {
        headline: "There is room.",
        detail: evicts
          ? `${soon}At ${bytes(high_bytes)} the oldest originals go that others prove to hold.`
          : `${soon}By its role this node keeps every original, and lets none go by itself.`,
        tone: "good",
      };
  }
}

const REASONS: Record<string, string> = {
  "wanted-here": "a rule or this node’s role keeps them here",
  "promised-to-others": "another node relies on this one keeping them",
  "opened-lately": "somebody opened them within the last hour",
  "too-few-promises": "too few other nodes prove that they hold them",
  "role-is-lacking": "a rule wants a copy on a role that does not prove one",
  "not-here": "they changed meanwhile",
};

/** Why photos stay, the reason with the most bytes first; each with one photo that shows it. */
export interface Staying {
  reason: string;
  words: string;
  photos: number;
  bytes: number;
  /** What exactly is lacking, as the oldest of them has it. */
  lacks: string;
  example: Eviction;
}

export function whyTheyStay(staying: readonly Eviction[], peers: readonly Peer[]): Staying[] {
  const found = new Map<string, Staying>();
  for (const one of staying) {
    const known = found.get(one.reason);
    if (known) {
      known.photos += 1;
      known.bytes += one.bytes;
      continue;
    }
    const words = REASONS[one.reason] ?? one.reason;
    const lacks = namedPeers(one.lacks, peers);
    found.set(one.reason, {
      reason: one.reason,
      words,
      photos: 1,
      bytes: one.bytes,
      lacks,
      example: one,
    });
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}

/** The same text with the names of nodes where it has their ids. */
export function namedPeers(text: string, peers: readonly { id: string; name: string | null }[]) {
  return text.replace(/\b12D3[0-9A-Za-z]{20,}/g, (id) => {
    const peer = peers.find((one) => one.id === id);
    return peer?.name ?? shortId(id);
  });
}

/** Whose promises count: those of nodes that keep. */
const LASTING = ["central", "archive"];

/** Which nodes are in the way of room: those that could promise to keep, and are not there. */
export function inTheWay(peers: readonly Peer[], now: Date): string[] {
  const lasting = peers.filter(({ role }) => LASTING.includes(role));
  if (lasting.length === 0) {
    return ["No other central node or archive is in this library, and only their word counts."];
  }
  const away = lasting.filter(({ link }) => link === "none");
  if (away.length === 0) {
    return [
      "The other central nodes and archives are all connected: some still fetch their copy, or the rules want more of such nodes than there are.",
    ];
  }
  return away.map((peer) => {
    const seen = ago(peer.last_seen, now);
    const name = peer.name ?? shortId(peer.id);
    return `${name} (${peer.role}) is not connected${seen ? `; last seen ${seen}` : ""}.`;
  });
}

/** What others seem to hold, and so may go. */
export function mayGoWords({ going, going_bytes, staying }: Evictions): string {
  const told = going.reduce((sum, one) => sum + one.bytes, 0);
  if (going.length === 0) {
    return staying.length === 0 ? "No original here is one that may go." : "Nothing may go now.";
  }
  const atLeast = told < going_bytes ? "More than " : "";
  const what = `${atLeast}${counted(going.length, "photo")}, ${bytes(going_bytes)}`;
  const them = going.length === 1 && !atLeast ? "it" : "them";
  return `${what}: others seem to hold ${them}, and are asked to prove it before anything goes.`;
}

/** What came of letting photos go. */
export function wentWords({ going, going_bytes, staying, to_free_bytes }: Evictions): string {
  if (to_free_bytes === 0) {
    return "Nothing need go: there is more room than the low mark asks for. Name a size to let more go.";
  }
  if (going.length === 0) {
    return staying.length === 0
      ? "Nothing went: no original here is one that may go."
      : "Nothing went. Why is told below; nothing was lost.";
  }
  const stay = staying.length > 0 ? ` ${counted(staying.length, "photo")} stayed.` : "";
  return `${counted(going.length, "original")} went, ${bytes(going_bytes)}. Their previews stay.${stay}`;
}

/** An original that left this node, and who promised to keep it. */
export interface Left {
  photo: string;
  at: string;
  bytes: number | null;
  nodes: string[];
  afterCrash: boolean;
}

/** What an entry of the audit log says of one that left. */
export function leftOf(
  entry: AuditEntry,
  peers: readonly { id: string; name: string | null }[],
): Left {
  const { blob = "", bytes: size, after } = entry.facts;
  const ids = Object.keys(entry.facts).filter((name) => name.startsWith("12D3"));
  return {
    photo: blob,
    at: entry.at,
    bytes: size === undefined ? null : Number(size),
    nodes: ids.map((id) => namedPeers(id, peers)),
    afterCrash: after !== undefined,
  };
}

/** "studio and attic read their copies and signed that they keep them". */
export function proofWords(nodes: readonly string[]): string {
  if (nodes.length === 0) return "no promise is in the log";
  if (nodes.length === 1) return `${nodes[0]} read its copy and signed to keep it`;
  const names = `${nodes.slice(0, -1).join(", ")} and ${nodes.at(-1)}`;
  return `${names} read their copies and signed to keep them`;
}

const UNITS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const SIZE_MAX = 1e15;

/** Bytes from "20 GB" or "1.5T"; null of nothing, which is down to the low mark. Throws in words. */
export function parseSize(text: string): number | null {
  const word = text.trim().toLowerCase().replaceAll(" ", "").replace(/b$/, "");
  if (word === "") return null;
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)$/.exec(word);
  const size = match ? Number(match[1]) * UNITS[match[2] ?? ""]! : NaN;
  if (!(size <= SIZE_MAX)) throw new Error(`“${text.trim()}” is no size: write 20 GB or 500 MB.`);
  return Math.floor(size);
}
