/** What the make-believe node says of room, copies, pins and photos as files. */

const SHOT = { name: "DSC_0107.NEF", bytes: 25_165_824, nodes: ["studio", "attic"] };
const GB = 1e9;

export function buffer(): unknown {
  return {
    state: "filling",
    used_bytes: 71 * GB,
    size_bytes: 100 * GB,
    high_bytes: 85 * GB,
    low_bytes: 70 * GB,
    rate_bytes_s: 1.3e6,
    full_in_s: 22_000,
    may_go_bytes: 3 * GB,
    evicts: true,
    evicted: 312,
    evicted_bytes: 8.1 * GB,
    promised: 0,
  };
}

/** `photos`: ids of some photos that exist. */
export function evictions(photos: readonly string[], bytes: number | null): unknown {
  const [goes = "", stays = "", opened = ""] = photos;
  const lacks = "1 of 2 nodes prove that they hold it";
  return {
    to_free_bytes: bytes ?? GB,
    going: [{ ...SHOT, photo: goes, reason: "seems-safe", lacks: "" }],
    staying: [
      { ...SHOT, photo: stays, reason: "too-few-promises", lacks, nodes: ["studio"] },
      { ...SHOT, photo: opened, reason: "opened-lately", lacks: "somebody opened it lately" },
    ],
    going_bytes: SHOT.bytes,
    is_done: false,
  };
}

/** Entries of the audit log; `nodes`: ids of those who promised. */
export function evicted(photos: readonly string[], nodes: readonly string[]): unknown[] {
  const proofs = Object.fromEntries(nodes.map((id) => [id, "c2lnbmF0dXJl"]));
  return photos.map((blob, at) => ({
    n: 40 - at,
    at: new Date(Date.now() - (at + 1) * 900_000).toISOString(),
    act: "blob.evicted",
    facts: { blob, bytes: String(SHOT.bytes), promises: String(nodes.length), ...proofs },
    chain: "7c".repeat(32),
  }));
}

export function redundancy(
  photos: number,
  nodes: readonly { id: string; name: string; role: string }[],
): unknown {
  const few = Math.ceil(photos * 0.02);
  const many = Math.floor(photos * 0.3);
  const copies = [0, few, photos - few - many, many];
  return {
    photos,
    min_copies: 2,
    below: few,
    copies: copies.map((count, at) => ({ copies: at, photos: count, bytes: count * SHOT.bytes })),
    roles: [
      { role: "archive", photos: photos - few, lacking: few },
      { role: "central", photos, lacking: 0 },
    ],
    nodes: nodes.map(({ id, name, role }, at) => ({
      node: id,
      name,
      role,
      connected: at < 2,
      photos: photos - few * at,
      bytes: (photos - few * at) * SHOT.bytes,
      only_there: at === 1 ? few : 0,
      awaited: 0,
      awaited_bytes: 0,
    })),
    awaited: 0,
    awaited_bytes: 0,
    unreachable: 0,
    oldest: "2026-05-01T10:00:00Z",
    overdue: 0,
  };
}

export function calendar(): unknown {
  const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
  const now = day(0);
  return {
    days: 30,
    mb_s: 40,
    parts: [
      { begin: now, end: now, files: 120, bytes: 2.9 * GB },
      { begin: day(6), end: day(9), files: 8_100, bytes: 201 * GB },
    ],
    all_by: day(9),
  };
}

export function policy(me: string): unknown {
  const rule = (text: string, photos: number): unknown => ({ text, contested: false, photos });
  return {
    rules: [
      rule("where rating>=3 or flag:pick: copies 3, one on archive", 412),
      rule(`where album:${"a1".repeat(16)}: keep on ${me}`, 48),
      rule("where tag:portfolio: keep on attic", 31),
    ],
    copies: 2,
    least: 1,
  };
}

export function exported(): unknown {
  const tree = { folder: "/srv/photonic/tree", template: "{year}/{date} {shoot}/{name}" };
  const nfs = { kind: "ganesha", address: "0.0.0.0:2049/photos", user: "photonic-nfs" };
  return {
    tree: { ...tree, state: "ready", originals: 1_843, sidecars: 1_201, left: 0, taken_in: 17 },
    nfs: {
      ...nfs,
      state: "serving",
      rules: ["192.168.1.0/24 rw", "10.0.0.7 ro"],
      restarts: 0,
      changed: false,
    },
  };
}
