/**
 * What the node answers, as types. They mirror the REST interface under /api/v1; a field that the
 * page does not use is left out, and one that an older node may lack is optional.
 */

import type { Limits, Pause, Safety, Scrub, Transfer } from "./moving.ts";
import type { Buffer, Exports } from "./storage.ts";

export interface PhotoSummary {
  id: string;
  name: string;
  /** The camera's local time without zone, "2024-05-17T09:30:12.250". */
  taken: string | null;
  /** -1 rejected, 0 to 5 stars, null: nobody has said. */
  rating: number | null;
  media_type: string;
  bytes: number;
  /** Pixels as shown; null where the file does not tell. */
  width: number | null;
  height: number | null;
  /** Whether this node holds the original. */
  held: boolean;
  /** Names of the contested fields. */
  conflicts: string[];
  label: string | null;
  title: string | null;
  flag: "pick" | "reject" | null;
  trashed: boolean;
  /** Somebody removed it, in a burst so large that this node waits for a person to confirm it. */
  removal_held?: boolean;
  /** When it came into the library; without `taken` it stands there in the timeline. */
  added?: string;
}

export interface PhotoPage {
  items: PhotoSummary[];
  next: string | null;
}

export interface Version {
  change: string;
  value: unknown;
  author: string;
  author_name?: string | null;
  /** A date as text, or milliseconds since 1970. */
  at: string | number | null;
}

export interface Field {
  value: unknown;
  contested: boolean;
  versions: Version[];
}

export interface Holder {
  node: string;
  name: string | null;
  held: boolean;
  /** When this node last read all of its own copy and found it right; null for the others. */
  verified_at?: string | null;
  /** Whether what it holds counts as a copy. */
  counts?: boolean;
}

export interface Facts {
  camera_make?: string | null;
  camera_model?: string | null;
  lens?: string | null;
  exposure_s?: number | null;
  aperture?: number | null;
  iso?: number | null;
  focal_mm?: number | null;
  position?: { latitude: number; longitude: number; altitude_m?: number | null } | null;
  taken?: string | null;
  taken_offset_min?: number | null;
  duration_s?: number | null;
  keywords?: string[];
}

export interface PhotoDetail extends PhotoSummary {
  fields: Record<string, Field>;
  holders: Holder[];
  facts: Facts;
  tags: string[];
  /** Ids of the albums that it was put into by hand. */
  albums: string[];
  /** Ids of other photos with the same picture and other metadata; some of them. */
  same_pixels_as: string[];
  /** Fields that this node has no key to read. */
  sealed?: string[];
}

/** What `PATCH /photos/ID` takes; null clears a field. */
export interface Edit {
  rating?: number | null;
  title?: string | null;
  caption?: string | null;
  label?: string | null;
  flag?: "pick" | "reject" | null;
  tags?: { add?: string[]; remove?: string[] };
  albums?: { add?: string[]; remove?: string[] };
}

/** Many photos: all that a query finds, or those that are named. */
export type Chosen = { q: string } | { ids: string[] };

/** `act` takes it all back; null if nothing was written. */
export interface BulkEdit {
  count: number;
  act: string | null;
}

export interface Undone {
  act: string | null;
  undone: number;
  kept_count: number;
  kept: { photo: string; name: string; reason: string }[];
  albums?: number;
}

/** What a change said of one field; `new` of an added or removed set is a list. */
export interface FieldChange {
  field: string;
  kind: "set" | "added" | "removed";
  old: unknown;
  new: unknown;
  stands: boolean;
}

export interface Said {
  change: string;
  act: string | null;
  author: string;
  author_name: string | null;
  /** Who said it first, where the author imported it from another library. */
  origin?: string | null;
  at: string | number | null;
  /** False if its author was not allowed to make it. */
  counts: boolean;
  /** It brought the photo in. */
  first: boolean;
  fields: FieldChange[];
}

export interface PhotoLog {
  items: Said[];
  next: string | null;
}

/** What somebody did in one go, about `count` photos, an album or another `kind`. */
export interface Act {
  id: string;
  act: string | null;
  author: string;
  author_name: string | null;
  origin?: string | null;
  at: string | number | null;
  kind: string;
  subject: string;
  name: string;
  count: number;
  fields: string[];
}

export interface ActPage {
  items: Act[];
  next: string | null;
}

/** With a query it is a saved search; without, photos are put into it. */
export interface Album {
  id: string;
  name: string;
  query: string | null;
  conflicts: string[];
}

/** What an album was; `act` brings it back. */
export interface DeletedAlbum extends Album {
  act?: string;
}

export interface Facet {
  value: string;
  count: number;
  query: string;
}

export interface Facets {
  cameras: Facet[];
  lenses: Facet[];
  tags: Facet[];
  labels: Facet[];
  ratings: Facet[];
  flags: Facet[];
  kinds: Facet[];
  folders: Facet[];
}

/** A photo in the trash: who removed it, and when it goes for good (null: not before it is confirmed). */
export interface Trashed {
  photo: PhotoSummary;
  author?: string;
  author_name?: string | null;
  at?: string | number | null;
  purge_at?: string | number | null;
}

/** Removals of one node that wait for a person. */
export interface HeldRemovals {
  node: string;
  name: string | null;
  count: number;
  at?: string | number | null;
  /** What the last of them was done by, if it was done to many. */
  act?: string | null;
}

export interface TrashPage {
  items: Trashed[];
  next: string | null;
  held?: HeldRemovals[];
}

export type Resolution = { field: string; change: string } | { field: string; value: unknown };

export interface Problem {
  code: string;
  message: string;
  fix: string;
  path: string | null;
}

export interface ImportRun {
  folder: string;
  found: number;
  imported: number;
  known: number;
  failed: number;
  finished: boolean;
}

export interface Status {
  node: { id: string; name: string; role: string; state: string; mode: string };
  library: { id: string; name: string };
  photos: number;
  conflicts: number;
  peers: number;
  holdings: { wanted: number; held: number; bytes: number };
  problems: Problem[];
  transfers?: Transfer[];
  imports?: ImportRun[];
  version?: string;
  catalog?: CatalogProgress | null;
  scrub?: Scrub | null;
  limits?: Limits | null;
  safety?: Safety | null;
  pauses?: Pause[];
  buffer?: Buffer | null;
  exports?: Exports | null;
  /** Multiaddresses. */
  listen?: string[];
  /** Where other machines reach the page, "" for nowhere, and what they are shown there. */
  https?: string;
  fingerprint?: string;
}

/** What the catalog is busy with: filling the index, or taking in what peers have. */
export interface CatalogProgress {
  /** Shards. */
  indexing?: Left;
  /** Documents in which peers differ, by the peer's id. */
  syncing?: Record<string, Left>;
}

export interface Left {
  left: number;
  of: number;
}

export interface Peer {
  id: string;
  name: string | null;
  host: string | null;
  role: string;
  state: string;
  mode: string | null;
  addresses: string[];
  link: "lan" | "direct" | "punched" | "relayed" | "none";
  latency_ms: number | null;
  capacity_bytes: number | null;
  free_bytes: number | null;
  capabilities: string[];
  last_seen: string | number | null;
  /** What the node is called that relays. */
  via?: string | null;
  /** The multiaddress that the connection leads to. */
  address?: string | null;
  /** Why there is no better link, in words. */
  why_not_better?: string;
}

export interface Conflict {
  photo: PhotoSummary;
  field: string;
  versions: Version[];
}

export interface ConflictPage {
  items: Conflict[];
  next: string | null;
}

export interface Invitation {
  code: string;
  expires: string | number | null;
  qr_svg: string;
}

/** What `/events` sends, by event name. */
export interface NodeEvents {
  /** Of these three without ids: so many changed that they are not named. */
  photos: { ids: string[]; local: boolean };
  holdings: { ids: string[] };
  peer: { id: string; connected: boolean };
  transfer: {
    blob: string;
    name: string;
    done_bytes: number;
    total_bytes: number;
    kind?: string;
    state?: string;
    rate_bytes_s?: number;
    eta_s?: number | null;
  };
  safety: { photos_at_risk: number; bytes_left: number; eta_s: number | null };
  pauses: { count: number };
  placement: { count: number };
  limits: { metered: boolean };
  buffer: { state: string; used_bytes: number; size_bytes: number };
  exports: { tree: string; nfs: string; originals: number; built: number; taken_in?: number };
  scrub: { paused: boolean };
  verification: { id: string; done: number; total: number | null; finished: boolean };
  /** A stored file was not as it should be, or is again. */
  blob: { blob: string; state: string; detail: string };
  import: ImportRun;
  problems: { count: number };
  albums: { ids: string[]; local: boolean };
  /** Something was written into the audit log. */
  audit: { act: string };
  gap: Record<string, never>;
}

export type NodeEventName = keyof NodeEvents;

export const NODE_EVENT_NAMES: readonly NodeEventName[] = [
  "photos",
  "holdings",
  "peer",
  "transfer",
  "import",
  "problems",
  "safety",
  "pauses",
  "placement",
  "limits",
  "buffer",
  "exports",
  "scrub",
  "verification",
  "blob",
  "albums",
  "audit",
  "gap",
];
