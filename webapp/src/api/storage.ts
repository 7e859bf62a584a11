/** Room, copies, rules that keep, and photos as files: types of the REST interface, and its calls. */

import type { AuditPage } from "./audit.ts";
import { request } from "./client.ts";

/** How full the room for originals on this node is. */
export interface Buffer {
  state: "calm" | "evicting" | "filling" | "stuck" | "full";
  used_bytes: number;
  size_bytes: number;
  /** At the high mark originals begin to go, down to the low one. */
  high_bytes: number;
  low_bytes: number;
  rate_bytes_s: number;
  /** Seconds; null: not in sight. */
  full_in_s: number | null;
  may_go_bytes: number;
  /** Whether the role lets originals go by itself. */
  evicts: boolean;
  /** Photos, since the start. */
  evicted: number;
  evicted_bytes: number;
  /** Files that other nodes rely on. */
  promised: number;
  why_not?: string;
}

/** One original that is here: whether it may go or went, and if not, why. */
export interface Eviction {
  photo: string;
  name: string;
  bytes: number;
  reason: string;
  /** In words, what it lacks. */
  lacks: string;
  /** Names of those that hold it, or promised to keep it. */
  nodes: string[];
}

export interface Evictions {
  to_free_bytes: number;
  going: Eviction[];
  staying: Eviction[];
  going_bytes: number;
  is_done: boolean;
}

export interface Redundancy {
  photos: number;
  min_copies: number;
  /** Photos with fewer copies than `min_copies`. */
  below: number;
  /** The last one is for so many copies and more. */
  copies: { copies: number; photos: number; bytes: number }[];
  roles: { role: string; photos: number; lacking: number }[];
  nodes: NodeCopies[];
  /** Photos that are wanted here and not here yet. */
  awaited: number;
  awaited_bytes: number;
  unreachable: number;
  oldest: string | null;
  overdue: number;
}

export interface NodeCopies {
  node: string;
  name: string;
  role: string;
  connected: boolean;
  photos: number;
  bytes: number;
  only_there: number;
  awaited: number;
  awaited_bytes: number;
}

/** When what is stored here is verified again. */
export interface ScrubCalendar {
  days: number;
  mb_s: number;
  /** Where `begin` and `end` are one, it is due now. */
  parts: { begin: string; end: string; files: number; bytes: number }[];
  all_by: string | null;
}

export interface PlacementPolicy {
  rules: { text: string; contested: boolean; photos: number | null }[];
  copies: number;
  least: number;
  holds_evictions?: boolean;
}

/** The folder in which every photo of this node is a file. */
export interface Tree {
  folder: string;
  template: string;
  state: "starting" | "building" | "ready" | "failed";
  originals: number;
  sidecars: number;
  /** What is to be looked at yet. */
  left: number;
  /** Sidecars that were written there, since the start. */
  taken_in: number;
}

export interface Exporter {
  kind: string;
  state: "starting" | "serving" | "waiting" | "failed";
  address: string;
  user: string;
  rules: string[];
  restarts: number;
  /** The rules are not those of the settings. */
  changed: boolean;
}

export interface Exports {
  tree: Tree | null;
  nfs: Exporter | null;
}

/** Others are asked to read what they hold before anything goes. */
const EVICTION_TIMEOUT_MS = 900_000;
const LAST_EVICTIONS = 8;

export const storage = {
  /** What would go for so many bytes; null: down to the low mark. Nobody is asked. */
  evictions: (bytes: number | null) =>
    request<Evictions>("GET", `/evictions${bytes === null ? "" : `?bytes=${bytes}`}`),
  evict: (bytes: number | null) =>
    request<Evictions>("POST", "/evictions", { bytes }, EVICTION_TIMEOUT_MS),
  lastEvictions: () => request<AuditPage>("GET", `/audit?limit=${LAST_EVICTIONS}&act=blob.evicted`),
  redundancy: () => request<Redundancy>("GET", "/redundancy"),
  calendar: () => request<ScrubCalendar>("GET", "/scrub/calendar"),
  placementPolicy: () => request<PlacementPolicy>("GET", "/policies/placement"),
  changePlacement: (change: { add?: string[]; remove?: string[] }) =>
    request<PlacementPolicy>("PATCH", "/policies/placement", change),
  exports: () => request<Exports>("GET", "/exports"),
  setExportRules: (rules: string[]) => request<Exports>("PUT", "/exports/rules", { rules }),
  resetExportRules: () => request<Exports>("DELETE", "/exports/rules"),
};
