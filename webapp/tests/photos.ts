import type { PhotoDetail, PhotoSummary } from "../src/api/types.ts";

/** A photo for tests; whatever matters to the test is given. */
export function photo(id: string, given: Partial<PhotoSummary> = {}): PhotoSummary {
  return {
    id,
    name: `${id}.jpg`,
    taken: "2024-05-17T09:30:00.000",
    rating: null,
    media_type: "image/jpeg",
    bytes: 1000,
    width: 6000,
    height: 4000,
    held: true,
    conflicts: [],
    label: null,
    title: null,
    flag: null,
    trashed: false,
    ...given,
  };
}

export function detailed(id: string, given: Partial<PhotoDetail> = {}): PhotoDetail {
  return {
    ...photo(id, given),
    fields: {},
    holders: [],
    same_pixels_as: [],
    facts: {},
    tags: [],
    albums: [],
    ...given,
  };
}

/** A number from 0 to 1, the same for the same seed: tests of many photos repeat exactly. */
export function chance(seed: number): number {
  let x = Math.imul(seed + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return ((x ^ (x >>> 13)) >>> 0) / 2 ** 32;
}

/** Photos of several days, newest first, in many shapes. */
export function shoot(count: number, seed = 1): PhotoSummary[] {
  return Array.from({ length: count }, (_, index) => {
    const day = Math.floor(index / (7 + Math.floor(chance(seed) * 20)));
    const taken = new Date(Date.UTC(2024, 6, 1, 12) - day * 86_400_000 - (index % 300) * 60_000);
    return photo(String(index).padStart(7, "0"), {
      taken: taken.toISOString().slice(0, 23),
      width: 400 + Math.floor(chance(seed + index * 3) * 6000),
      height: 400 + Math.floor(chance(seed + index * 5) * 6000),
    });
  });
}
