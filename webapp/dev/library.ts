/**
 * A make-believe library for developing the page: the same photos every time, in memory. It answers
 * what a node answers, as far as the page asks. Not part of the product.
 */

import { createHash } from "node:crypto";

import { reader, type DevAlbum } from "./query.ts";

export interface Version {
  change: string;
  value: unknown;
  author: string;
  author_name: string;
  at: string;
}

export interface Photo {
  id: string;
  name: string;
  taken: string;
  media_type: string;
  bytes: number;
  width: number;
  height: number;
  held: boolean;
  preview: boolean;
  fields: Record<string, Version[]>;
  tags: string[];
  albums: string[];
  trashed?: { author: { id: string; name: string }; at: string };
  facts: Record<string, unknown>;
}

export const NODES = [
  { id: "12D3KooWDevLuke1111111111111111111111111111111111111", name: "luke", role: "mobile" },
  { id: "12D3KooWDevYoda2222222222222222222222222222222222222", name: "yoda", role: "central" },
  { id: "12D3KooWDevLeia3333333333333333333333333333333333333", name: "leia", role: "archive" },
];
const START = Date.UTC(2024, 8, 29, 18, 40);
const CAMERAS = [
  ["NIKON CORPORATION", "NIKON Z 8", "NIKKOR Z 24-120mm f/4 S", 8256, 5504, "nef"],
  ["FUJIFILM", "X-T5", "XF16-55mmF2.8 R LM WR", 7728, 5152, "raf"],
  ["Apple", "iPhone 15 Pro", "back triple camera 6.8mm f/1.78", 4032, 3024, "heic"],
] as const;
const TYPES: Record<string, string> = {
  nef: "image/x-nikon-nef",
  raf: "image/x-fuji-raf",
  heic: "image/heic",
};
const TAGS = ["coast", "evening", "family", "harbour", "hills", "snow", "street", "travel"];

/** A number from 0 to 1 that depends on its arguments alone. */
export function chance(seed: number, salt: number): number {
  let x = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(salt + 7, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
}

export function version(value: unknown, author: number, minutes: number, salt: string): Version {
  const { id, name } = NODES[author]!;
  const change = createHash("sha256")
    .update(`${salt} ${String(value)} ${author}`)
    .digest("hex");
  const at = new Date(Date.now() - minutes * 60_000).toISOString();
  return { change, value, author: id, author_name: name, at };
}

export function makePhoto(index: number): Photo {
  const pick = (salt: number): number => chance(index, salt);
  const [make, model, lens, long, short, suffix] = CAMERAS[Math.floor(pick(1) * 2.6)]!;
  const upright = pick(2) < 0.22;
  const video = pick(3) < 0.02;
  const id = createHash("sha256").update(`photo ${index}`).digest("hex");
  const day = Math.floor(index / 23 + chance(Math.floor(index / 23), 4) * 0.8) * 1.7;
  const taken = new Date(
    START - Math.floor(day) * 86_400_000 - (index % 23) * 411_370,
  ).toISOString();
  const rating = Math.max(0, Math.floor(pick(5) * 9) - 3) || null;
  const fields: Photo["fields"] = {};
  if (rating !== null) fields["rating"] = [version(pick(6) < 0.05 ? -1 : rating, 1, 4000, id)];
  if (pick(7) < 0.02) {
    fields["rating"] = [version(5, 0, 42, id), version(2, 1, 190, id)];
    if (pick(8) < 0.4) {
      const other = version("Low tide, just before the storm", 2, 3000, `${id}t`);
      fields["title"] = [version("Harbour at low tide", 0, 33, `${id}t`), other];
    }
  }
  if (pick(9) < 0.1 && !fields["title"]) fields["title"] = [version("Evening light", 1, 9000, id)];
  if (pick(10) < 0.1) fields["label"] = [version("green", 1, 9000, id)];
  return {
    id,
    name: `${model === "X-T5" ? "DSCF" : "DSC_"}${String(9999 - (index % 9999)).padStart(4, "0")}.${video ? "MP4" : suffix.toUpperCase()}`,
    taken: taken.slice(0, 23),
    media_type: video ? "video/mp4" : TYPES[suffix]!,
    bytes: Math.floor((suffix === "heic" ? 2.4e6 : 31e6) * (0.8 + 0.5 * pick(11))),
    width: upright ? short : long,
    height: upright ? long : short,
    held: pick(12) > 0.08,
    preview: pick(13) > 0.03,
    fields,
    albums: [],
    tags: TAGS.filter((_, at) => pick(20 + at) < 0.2),
    facts: {
      camera_make: make,
      camera_model: model,
      lens,
      exposure_s: 1 / [30, 60, 125, 250, 500, 1000][Math.floor(pick(14) * 6)]!,
      aperture: [2.8, 4, 5.6, 8][Math.floor(pick(15) * 4)],
      iso: [64, 100, 200, 400, 1600][Math.floor(pick(16) * 5)],
      focal_mm: Math.floor(16 + pick(17) * 90),
      position: pick(18) < 0.4 ? { latitude: 50 + pick(1) * 3, longitude: -5 + pick(2) } : null,
      taken_offset_min: 120,
    },
  };
}

export class DevLibrary {
  photos: Photo[];
  albums: DevAlbum[] = [
    { id: "a1".repeat(16), name: "Family wall", query: null, conflicts: [] },
    { id: "b2".repeat(16), name: "The best of 2024", query: "rating>=4 taken:2024", conflicts: [] },
  ];
  readonly byId = new Map<string, Photo>();

  constructor(count: number) {
    this.photos = Array.from({ length: count }, (_, index) => makePhoto(index));
    this.photos.sort(newestFirst);
    for (const photo of this.photos) this.byId.set(photo.id, photo);
  }

  add(photo: Photo): void {
    if (this.byId.has(photo.id)) return;
    this.byId.set(photo.id, photo);
    this.photos = [...this.photos, photo].sort(newestFirst);
  }

  page(query: URLSearchParams): { items: unknown[]; next: string | null } {
    const limit = Math.min(500, Number(query.get("limit") ?? 100));
    const [taken, id] = (query.get("cursor") ?? "").split(" ");
    const items: Photo[] = [];
    const upwards = query.get("sort") === "-taken";
    const fits = reader(query.get("q") ?? "", this.albums);
    const at = query.get("at");
    const [from = "", to = "9999"] = [
      query.get("taken_from") ?? "",
      query.get("taken_to") ?? "9999",
    ];
    for (const photo of upwards ? this.photos.toReversed() : this.photos) {
      const order = taken ? newestFirst(photo, { taken, id: id! }) : 1;
      if (upwards ? taken && order >= 0 : order <= 0) continue;
      if (at && (upwards ? photo.taken < at : photo.taken.slice(0, at.length) > at)) continue;
      if (photo.taken < from || photo.taken.slice(0, to.length) > to || !fits(photo)) continue;
      items.push(photo);
      if (items.length > limit) break;
    }
    const more = items.length > limit;
    if (more) items.pop();
    const last = items.at(-1);
    return {
      items: items.map(summary),
      next: more && last ? `${last.taken} ${last.id}` : null,
    };
  }

  find(q: string): Photo[] {
    return this.photos.filter(reader(q, this.albums));
  }

  timeline(q: string): unknown {
    const months = new Map<string, number>();
    const found = this.find(q);
    for (const { taken } of found) {
      months.set(taken.slice(0, 7), (months.get(taken.slice(0, 7)) ?? 0) + 1);
    }
    return { months: [...months].map(([month, count]) => ({ month, count })), count: found.length };
  }

  facets(): unknown {
    const kinds = { cameras: "camera", lenses: "lens", tags: "tag", labels: "label" } as const;
    const lists: Record<string, unknown[]> = { ratings: [], flags: [], kinds: [], folders: [] };
    for (const [list, field] of Object.entries(kinds)) {
      const counts = new Map<string, number>();
      for (const photo of this.photos) {
        const facts: Record<string, unknown> = {
          camera: photo.facts["camera_model"],
          ...photo.facts,
        };
        const values = field === "tag" ? photo.tags : [facts[field] ?? shown(photo, field)];
        for (const value of values) {
          if (value) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
        }
      }
      const quoted = (value: string): string => (/^[\w/-]+$/.test(value) ? value : `"${value}"`);
      lists[list] = [...counts]
        .sort((a, b) => b[1] - a[1])
        .map(([value, count]) => ({ value, count, query: `${field}:${quoted(value)}` }));
    }
    return lists;
  }

  conflicts(): { photo: unknown; field: string; versions: Version[] }[] {
    return this.photos.flatMap((photo) =>
      contested(photo).map((field) => ({
        photo: summary(photo),
        field,
        versions: photo.fields[field]!,
      })),
    );
  }
}

function newestFirst(a: { taken: string; id: string }, b: { taken: string; id: string }): number {
  if (a.taken !== b.taken) return a.taken < b.taken ? 1 : -1;
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

function contested(photo: Photo): string[] {
  return Object.keys(photo.fields).filter((name) => photo.fields[name]!.length > 1);
}

function shown(photo: Photo, field: string): unknown {
  return photo.fields[field]?.[0]?.value ?? null;
}

export function summary(photo: Photo): Record<string, unknown> {
  const { id, name, taken, media_type, bytes, width, height, held } = photo;
  const rating = shown(photo, "rating");
  return {
    id,
    name,
    taken,
    rating,
    media_type,
    bytes,
    width,
    height,
    held,
    conflicts: contested(photo),
    label: shown(photo, "label"),
    title: shown(photo, "title"),
    flag: shown(photo, "flag"),
    trashed: photo.trashed !== undefined,
    added: "2024-10-01T09:00:00.000Z",
  };
}

export function detail(photo: Photo): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of ["rating", "flag", "label", "title", "caption", "gps"]) {
    fields[name] = { value: null, contested: false, versions: [] };
  }
  for (const [name, versions] of Object.entries(photo.fields)) {
    fields[name] = { value: versions[0]!.value, contested: versions.length > 1, versions };
  }
  const holders = NODES.map(({ id, name }, at) => ({
    node: id,
    name,
    held: at === 0 ? photo.held : at === 1 || chance(photo.bytes, 3) < 0.5,
  }));
  return {
    ...summary(photo),
    fields,
    holders,
    facts: { ...photo.facts, taken: photo.taken },
    tags: photo.tags,
    albums: photo.albums,
  };
}
