/** What moves between nodes, what may, and what is verified: types of the REST interface. */

/** One file on its way in. */
export interface Transfer {
  blob: string;
  /** Of the photo. */
  name: string;
  /** original, preview or sidecar; an older node does not say. */
  kind?: string;
  state: string;
  done_bytes: number;
  total_bytes: number;
  rate_bytes_s: number | null;
  peers: string[];
  /** Seconds; null: nobody can say. */
  eta_s?: number | null;
  /** What keeps it, and what to do about it. */
  problem?: string | null;
}

/** How many photos are on fewer than `min_copies` nodes, and when that is over. */
export interface Safety {
  min_copies: number;
  state: "safe" | "moving" | "still" | "paused" | "too-few-nodes" | "unknown";
  photos_at_risk: number;
  bytes_left: number;
  rate_bytes_s: number;
  eta_s: number | null;
  /** This node has the only copy. */
  only_here?: number;
  /** There is no copy that counts. */
  nowhere?: number;
}

/** What is being fetched, the most urgent first. */
export interface Transfers {
  items: Transfer[];
  /** How many are looked at now, of which `items` are the first. */
  in_view: number;
  rate_bytes_s: number;
  /** The link is slow. */
  previews_first: boolean;
  pauses: Pause[];
  safety: Safety;
}

/** Something that this node leaves alone; the library has no id. */
export interface Pause {
  kind: "library" | "peer" | "album" | "shoot";
  id: string | null;
  name: string | null;
}

/** The limits of this node's transfers, in bytes per second; null: no limit. */
export interface Limits {
  in_bytes_s: number | null;
  out_bytes_s: number | null;
  peers: PeerLimit[];
  schedule: string;
  /** Originals wait, unless `metered_bytes_s` says at which rate everything goes on. */
  metered: boolean;
  metered_bytes_s: number | null;
  parallel: number | null;
  /** What counts at this time of the day. */
  now_in_bytes_s: number | null;
  now_out_bytes_s: number | null;
  changed: boolean;
}

/** The regular verification of what is stored on this node. */
export interface Scrub {
  /** 0: only when somebody asks for it. */
  days: number;
  paused: boolean;
  overdue: number;
  overdue_bytes: number;
  oldest: string | null;
  verified: number;
  verified_bytes: number;
  damaged: number;
  unreadable: number;
  repaired: number;
}

/** The limits of one peer, by its id. */
export interface PeerLimit {
  peer: string;
  name: string | null;
  in_bytes_s: number | null;
  out_bytes_s: number | null;
}

/** What `PUT /limits` takes: all limits that there are to be. */
export type LimitsWanted = Omit<
  Limits,
  "peers" | "now_in_bytes_s" | "now_out_bytes_s" | "changed"
> & { peers: Omit<PeerLimit, "name">[] };

/** A verification that somebody asked for: `done` of `total` photos, or files if it is of all. */
export interface Verification {
  id: string;
  q: string | null;
  counts: "photos" | "files";
  done: number;
  total: number | null;
  blobs: number;
  bytes: number;
  sound: number;
  mended: number;
  damaged: number;
  lost: number;
  unreadable: number;
  /** Originals that are not on this node. */
  absent: number;
  /** The first of them. */
  findings: Finding[];
  finished: boolean;
  /** Why it ended early. */
  problem: string | null;
}

/** A file that was not as it should be. */
export interface Finding {
  blob: string;
  photo: string | null;
  name: string | null;
  state: string;
  detail: string;
}
