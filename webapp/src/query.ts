/**
 * Queries as text. The page reads and writes single terms and marks what is wrong; what a query
 * means is judged by the node alone. Pure.
 */

/** One term at the outermost level, "or" and "and" included: text[from:to]. */
export interface Term {
  from: number;
  to: number;
  text: string;
}

/** The terms of a query, parted by spaces outside of quotes and parentheses. */
export function terms(q: string): Term[] {
  const found: Term[] = [];
  let from = -1;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at <= q.length; at++) {
    const letter = q[at] ?? " ";
    if (quoted) {
      if (letter === "\\") at += 1;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === "(") depth += 1;
    else if (letter === ")") depth = Math.max(0, depth - 1);
    const parts = /\s/.test(letter) && !quoted && depth === 0;
    if (!parts && from < 0) from = at;
    if ((parts || at >= q.length) && from >= 0) {
      const to = Math.min(at, q.length);
      if (to > from) found.push({ from, to, text: q.slice(from, to) });
      from = -1;
    }
  }
  return found;
}

const isSort = (text: string): boolean => /^sort:/i.test(text);

/** The query without the terms that are `old`, and with `term` besides ("" adds nothing). */
export function withTerm(q: string, old: (text: string) => boolean, term: string): string {
  const all = terms(q).map((each) => each.text);
  if (all.some((text) => /^(or|\|)$/i.test(text))) {
    if (term === "") return q.trim();
    const choice = all.filter((text) => !isSort(text)).join(" ");
    return [`(${choice})`, term, ...all.filter(isSort)].join(" ");
  }
  return [...all.filter((text) => !old(text)), term].filter(Boolean).join(" ");
}

const isRating = (text: string): boolean => /^rating(>=|<=|[:=<>])/i.test(text);
const isContested = (text: string): boolean => /^is:contested$/i.test(text);

/** The least rating that the query asks for, if it says so in the way that the page writes it. */
export function ratingOf(q: string): number | null {
  const said = terms(q).find(({ text }) => isRating(text));
  const match = /^rating>=([1-5])$/i.exec(said?.text ?? "");
  return match ? Number(match[1]) : null;
}

export function withRating(q: string, rating: number | null): string {
  return withTerm(q, isRating, rating === null ? "" : `rating>=${rating}`);
}

export function asksContested(q: string): boolean {
  return terms(q).some(({ text }) => isContested(text));
}

export function withContested(q: string, asked: boolean): string {
  return withTerm(q, isContested, asked ? "is:contested" : "");
}

/** The same query without these photos. */
export function without(q: string, ids: Iterable<string>): string {
  const apart = [...ids].map((id) => `-id:${id.slice(0, 16)}`).join(" ");
  return apart === "" ? q : withTerm(q, () => false, apart);
}

/** What the page can judge by itself: a least rating, and whether there must be a conflict. */
export interface Plain {
  rating: number | null;
  conflicts: boolean;
}

/** The query in so far as the page can judge it, or null if only the node can. */
export function plainOf(q: string): Plain | null {
  const known = ({ text }: Term): boolean => /^rating>=[1-5]$/i.test(text) || isContested(text);
  return terms(q).every(known) ? { rating: ratingOf(q), conflicts: asksContested(q) } : null;
}

/** Whether the photos stand in the order of time, the newest first. */
export function isByTime(q: string): boolean {
  return terms(q).every(({ text }) => !isSort(text) || /^sort:taken$/i.test(text));
}

/** A text as the value of a term, always in quotes. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** What lists an album. Its name where that is enough, or its id. */
export function albumQuery(album: { id: string; name: string }, all: { name: string }[]): string {
  const key = album.name.toLowerCase();
  const alone = all.filter(({ name }) => name.toLowerCase() === key).length < 2;
  return alone ? `album=${quoted(album.name)}` : `album:${album.id}`;
}

/** A query cut where it is wrong; the node counts in characters, JavaScript in halves of some. */
export function marked(q: string, position: number, length: number): [string, string, string] {
  const letters = Array.from(q);
  const part = (from: number, to?: number): string => letters.slice(from, to).join("");
  const end = position + Math.max(1, length);
  return [part(0, position), part(position, end), part(end)];
}
