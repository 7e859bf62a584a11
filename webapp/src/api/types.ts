/**
 * What the node answers, as types. They mirror the REST interface under /api/v1; a field that the
 * page does not use is left out, and one that an older node may lack is optional.
 */

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
}

/** What `PATCH /photos/ID` takes; null clears a field. */
export interface Edit {
  rating?: number | null;
  title?: string | null;
  caption?: string | null;
  label?: string | null;
  tags?: { add?: string[]; remove?: string[] };
}

export type Resolution = { field: string; change: string } | { field: string; value: unknown };

export interface Problem {
  code: string;
  message: string;
  fix: string;
  path: string | null;
}

export interface Transfer {
  blob: string;
  name: string;
  state: string;
  done_bytes: number;
  total_bytes: number;
  rate_bytes_s: number | null;
  peers: string[];
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
}

export interface Peer {
  id: string;
  name: string | null;
  host: string | null;
  role: string;
  state: string;
  mode: string | null;
  addresses: string[];
  link: "stream" | "lane" | "relay" | "none";
  latency_ms: number | null;
  capacity_bytes: number | null;
  free_bytes: number | null;
  capabilities: string[];
  last_seen: string | number | null;
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
  photos: { ids: string[]; local: boolean };
  holdings: { ids: string[] };
  peer: { id: string; connected: boolean };
  transfer: { blob: string; name: string; done_bytes: number; total_bytes: number };
  import: ImportRun;
  problems: { count: number };
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
  "gap",
];
