/** Values as a person reads them. Pure: the present moment is an argument. */

import { ratingWords } from "./rating.ts";

const LOCALE = "en-GB";
const DAY = new Intl.DateTimeFormat(LOCALE, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC",
});
const DAY_SHORT = new Intl.DateTimeFormat(LOCALE, {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});
const MONTH = new Intl.DateTimeFormat(LOCALE, { month: "long", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short" });
const DATE = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });
const COUNT = new Intl.NumberFormat(LOCALE);
const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });

export function count(value: number): string {
  return COUNT.format(value);
}

/** "1 photo", "2 photos". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Bytes in powers of 1000, as disks and cards are sold. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || Math.abs(size) >= 99.5 ? 0 : 1;
  return `${size.toFixed(digits)} ${units[unit]}`;
}

export function rate(bytesPerSecond: number | null | undefined): string {
  return bytesPerSecond ? `${bytes(bytesPerSecond)}/s` : "";
}

/** A wait with its two largest units, "3 h 10 min"; null is unknown. */
export function waitWords(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "unknown";
  const units: [number, string][] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  let left = Math.max(1, Math.round(seconds));
  const words: string[] = [];
  for (const [size, unit] of units) {
    const amount = Math.floor(left / size);
    left %= size;
    if (amount > 0) words.push(`${amount} ${unit}`);
    else if (words.length > 0) break;
    if (words.length === 2) break;
  }
  return words.join(" ");
}

/** A wait as a person says it, for what nobody can know to the second: "about 6 minutes". */
export function aboutWait(seconds: number): string {
  const sizes: [number, number, string][] = [
    [36 * 3600, 86_400, "day"],
    [90 * 60, 3600, "hour"],
    [50, 60, "minute"],
  ];
  const found = sizes.find(([from]) => seconds >= from);
  if (!found) return "less than a minute";
  return `about ${counted(Math.round(seconds / found[1]), found[2])}`;
}

/** "Friday 17 May 2024" or "Fri 17 May 2024" from "2024-05-17"; other text comes back as it is. */
export function dayHeading(day: string, short = false): string {
  const date = new Date(`${day}T00:00:00Z`);
  return Number.isNaN(date.getTime())
    ? day
    : (short ? DAY_SHORT : DAY).format(date).replace(",", "");
}

/** What stands above photos without a date, that were added in a month. */
export function undatedHeading(month: string, short = false): string {
  return short || !month ? "Without a date" : `Without a date, added in ${monthWords(month)}`;
}

/** "May 2024" from "2024-05". */
export function monthWords(month: string): string {
  const [year = "", number = ""] = month.split("-");
  const date = new Date(Date.UTC(2000, Number(number) - 1, 1));
  return Number.isNaN(date.getTime()) ? month : `${MONTH.format(date)} ${year}`;
}

/** The camera's own clock: "17 May 2024, 09:30:12", with its zone if the file carries one. */
export function takenWords(taken: string | null, offsetMin?: number | null): string {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d(?::\d\d)?)/.exec(taken ?? "");
  if (!match) return taken ?? "date unknown";
  const month = MONTH.format(new Date(Date.UTC(2000, Number(match[2]) - 1, 1)));
  const words = `${Number(match[3])} ${month} ${match[1]}, ${match[4]}`;
  return offsetMin === null || offsetMin === undefined ? words : `${words} ${zone(offsetMin)}`;
}

function zone(offsetMin: number): string {
  const size = Math.abs(offsetMin);
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${offsetMin < 0 ? "−" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** A moment the node gave, as text or in milliseconds (or seconds) since 1970. */
export function moment(at: string | number | null | undefined): Date | null {
  if (at === null || at === undefined || at === "") return null;
  const date = new Date(typeof at === "number" && at < 1e11 ? at * 1000 : at);
  return Number.isNaN(date.getTime()) ? null : date;
}

export function momentWords(at: string | number | null | undefined): string {
  const date = moment(at);
  return date === null ? "" : MOMENT.format(date);
}

/** The day of a moment, "2 May 2026". */
export function dateWords(at: string | number): string {
  const date = moment(at);
  return date === null ? "" : DATE.format(date);
}

/** "2 minutes ago", "in 23 hours", "yesterday". */
export function ago(at: string | number | null | undefined, now: Date): string {
  const date = moment(at);
  if (date === null) return "";
  const seconds = (date.getTime() - now.getTime()) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, "second"],
    [3600, "minute"],
    [86_400, "hour"],
    [86_400 * 30, "day"],
    [86_400 * 365, "month"],
    [Infinity, "year"],
  ];
  if (Math.abs(seconds) < 5) return "just now";
  let unitSeconds = 1;
  for (const [limit, unit] of steps) {
    if (Math.abs(seconds) < limit) return RELATIVE.format(Math.round(seconds / unitSeconds), unit);
    unitSeconds = limit;
  }
  return "";
}

const LINKS: Record<string, string> = {
  lan: "on this network",
  direct: "direct",
  punched: "direct, through NATs",
  relayed: "through another node",
  none: "not connected",
};

/** Over which way another node is reached. */
export function linkWords({ link, via }: { link: string; via?: string | null }): string {
  return link === "relayed" && via ? `through ${via}` : (LINKS[link] ?? link);
}

export function latency(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** "1/250 s" below a third of a second, "0.5 s" and "2 s" above. */
export function exposure(seconds: number): string {
  if (seconds <= 0) return "–";
  return seconds < 0.34 ? `1/${Math.round(1 / seconds)} s` : `${Number(seconds.toFixed(1))} s`;
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** "48.8584° N, 2.2945° E" */
export function position(latitude: number, longitude: number): string {
  const part = (value: number, plus: string, minus: string): string =>
    `${Math.abs(value).toFixed(4)}° ${value < 0 ? minus : plus}`;
  return `${part(latitude, "N", "S")}, ${part(longitude, "E", "W")}`;
}

/** Makers like to repeat themselves: "NIKON CORPORATION" + "NIKON D850" is "NIKON D850". */
export function camera(make?: string | null, model?: string | null): string {
  if (!model) return make ?? "";
  const brand = (make ?? "").split(" ")[0] ?? "";
  return !brand || model.toLowerCase().startsWith(brand.toLowerCase())
    ? model
    : `${brand} ${model}`;
}

/** The value of a field, whatever it is, in words. */
export function valueWords(field: string, value: unknown): string {
  if (field === "rating" && (typeof value === "number" || value === null)) {
    return ratingWords(value);
  }
  if (value === null || value === undefined || value === "") return "nothing";
  if (Array.isArray(value)) return value.map((part) => valueWords("", part)).join(", ");
  if (typeof value !== "object") return String(value);
  const { latitude, longitude } = value as Record<string, unknown>;
  return typeof latitude === "number" && typeof longitude === "number"
    ? position(latitude, longitude)
    : JSON.stringify(value);
}

/** The value as a stable attribute for tests and styles. */
export function valueAttribute(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A field's name as a heading: "gps" stays, "sidecar/darktable" becomes words. */
export function fieldWords(field: string): string {
  if (field === "gps") return "Position";
  if (field === "gone") return "Deletion";
  if (field.startsWith("sidecar/")) return `Sidecar of ${field.slice("sidecar/".length)}`;
  return field.charAt(0).toUpperCase() + field.slice(1);
}

/** Who said something; of what was imported, who said it first and who brought it. */
export function authorWords(said: {
  author: string;
  author_name: string | null;
  origin?: string | null;
}): string {
  const author = said.author_name ?? shortId(said.author);
  return said.origin ? `${said.origin} (imported by ${author})` : author;
}

/** The first and last letters of a long id. */
export function shortId(id: string): string {
  return id.length <= 14 ? id : `${id.slice(0, 6)}…${id.slice(-6)}`;
}
