/** What may stand where somebody types in the search field: fields, and values that photos have. */

import type { Album, Facets } from "./api/types.ts";
import { albumQuery } from "./query.ts";

export interface Suggestion {
  /** What is written into the query. */
  text: string;
  hint: string;
  /** Whether the term is complete then, and another one may follow. */
  whole: boolean;
}

export interface Suggestions {
  /** The part of the query that a suggestion replaces. */
  from: number;
  to: number;
  items: Suggestion[];
}

const SHOWN_MAX = 8;

/** The fields that people search by, each as it begins, with what it finds. docs/search.md has all. */
const FIELDS: readonly [string, string][] = [
  ["rating>=", "stars: rating>=3, rating:none"],
  ["taken:", "when: taken:2024-05, taken:2023.., taken:7d"],
  ["camera:", "words of the camera’s name"],
  ["lens:", "words of the lens’s name"],
  ["tag:", "a tag or one under it"],
  ["album:", "a word of an album’s name"],
  ["flag:", "pick, reject or none"],
  ["label:", "red, yellow, green, blue, purple"],
  ["kind:", "raw, image or video"],
  ["folder:", "where it lay when it was imported"],
  ["name:", "words of the file’s name"],
  ["title:", "words of the title"],
  ["caption:", "words of the caption"],
  ["place:", "a box: south,west..north,east"],
  ["added:", "when it came in: added:today"],
  ["iso>=", "iso>=3200, iso:100..400"],
  ["aperture<=", "aperture:2.8, aperture<=2"],
  ["focal:", "focal:50, focal:24..70"],
  ["type:", "jpeg, cr3, heic …"],
  ["copies<", "how many nodes hold the original"],
  ["sort:", "taken, -taken, added, -added"],
];
const WORDS: Record<string, readonly [string, string][]> = {
  is: [
    ["held", "the original is on this node"],
    ["missing", "the original is not on this node"],
    ["at-risk", "fewer than two nodes hold it"],
    ["contested", "edited differently on several nodes"],
    ["picked", "flagged as a pick"],
    ["rejected", "flagged or rated as a reject"],
    ["trashed", "in the trash"],
  ],
  has: ["place", "title", "caption", "tags", "sidecar", "album"].map((word) => [word, ""]),
  taken: [
    ["today", ""],
    ["yesterday", ""],
    ["7d", "the last seven days"],
    ["3m", "the last three months"],
    ["1y", "the last year"],
    ["none", "without a date"],
  ],
  added: [
    ["today", ""],
    ["yesterday", ""],
    ["7d", "the last seven days"],
  ],
  sort: [
    ["taken", "newest first"],
    ["-taken", "oldest first"],
    ["added", "last added first"],
    ["-added", "first added first"],
  ],
};
const KINDS: Record<string, keyof Facets> = {
  camera: "cameras",
  lens: "lenses",
  tag: "tags",
  label: "labels",
  rating: "ratings",
  flag: "flags",
  kind: "kinds",
  folder: "folders",
};

/** Where the term begins that the caret stands in, its "-" left out. */
function termFrom(q: string, caret: number): number {
  let from = 0;
  let inQuotes = false;
  for (let at = 0; at < caret; at++) {
    if (q[at] === "\\" && inQuotes) at += 1;
    else if (q[at] === '"') inQuotes = !inQuotes;
    else if (!inQuotes && /[\s()]/.test(q[at]!)) from = at + 1;
  }
  return q[from] === "-" ? from + 1 : from;
}

const folded = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function values(
  field: string,
  typed: string,
  facets: Facets | null,
  albums: Album[],
): Suggestion[] {
  const fits = (value: string): boolean => folded(value).includes(folded(typed));
  const whole = true;
  if (field === "album") {
    return albums
      .filter(({ name }) => fits(name))
      .map((album) => ({
        text: albumQuery(album, albums),
        hint: album.query ?? "",
        whole,
      }));
  }
  const kind = KINDS[field];
  const found = (kind && facets?.[kind])?.filter(({ value }) => fits(value)) ?? [];
  const words = (WORDS[field] ?? []).filter(([word]) => fits(word));
  return [
    ...found.map(({ query, count }) => ({ text: query, hint: String(count), whole })),
    ...words.map(([word, hint]) => ({ text: `${field}:${word}`, hint, whole })),
  ];
}

/** What may be meant by the term under the caret; nothing for an empty one. */
export function suggestions(
  q: string,
  caret: number,
  facets: Facets | null,
  albums: Album[],
): Suggestions {
  const from = termFrom(q, caret);
  const typed = q.slice(from, caret);
  const rest = /^[^\s()"]*"?/.exec(q.slice(caret))![0];
  const to = caret + rest.length;
  const match = /^([a-z]+)[:=]"?(.*)$/is.exec(typed);
  let items: Suggestion[];
  if (match) items = values(match[1]!.toLowerCase(), match[2]!, facets, albums);
  else if (typed === "" || typed.startsWith('"')) items = [];
  else {
    const word = folded(typed);
    const fields = [...FIELDS, ["is:", "held, missing, contested …"], ["has:", "place, title …"]];
    items = [
      ...fields
        .filter(([name]) => name!.startsWith(word))
        .map(([text, hint]) => ({ text: text!, hint: hint!, whole: false })),
      ...(word.length < 2
        ? []
        : ["tag", "album", "camera", "folder"].flatMap((field) =>
            values(field, typed, facets, albums).slice(0, 3),
          )),
    ];
  }
  return {
    from,
    to,
    items: items.filter(({ text }) => text !== q.slice(from, to)).slice(0, SHOWN_MAX),
  };
}

/** The query with a suggestion taken, and where the caret then stands. */
export function taken(q: string, { from, to }: Suggestions, chosen: Suggestion): [string, number] {
  const text = chosen.whole ? `${chosen.text} ` : chosen.text;
  const after = q.slice(to).replace(/^ /, chosen.whole ? "" : " ");
  return [q.slice(0, from) + text + after, from + text.length];
}
