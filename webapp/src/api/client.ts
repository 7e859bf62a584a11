/**
 * Requests to the node that served the page. A refusal arrives as `Refusal` with the node's own
 * words and its fix; a node that does not answer as `Unreachable`. Nothing is retried here.
 */

import type { AuditPage, AuditVerdict } from "./audit.ts";
import type { LimitsWanted, Limits, Pause, Scrub, Transfers, Verification } from "./moving.ts";
import type { Invited, Member, Revocation } from "./members.ts";
import type { Placement } from "./placement.ts";
import { monthAfter, type MonthCount } from "../layout/months.ts";
import type {
  ActPage,
  Album,
  BulkEdit,
  Chosen,
  ConflictPage,
  DeletedAlbum,
  Edit,
  Facets,
  Invitation,
  Peer,
  PhotoDetail,
  PhotoLog,
  PhotoPage,
  Resolution,
  Status,
  TrashPage,
  Undone,
} from "./types.ts";
import type { Filter } from "../route.ts";

/** Where the page was loaded from: `/` for the first library, `/l/NAME/` for a further one. */
export const BASE = baseOf(typeof location === "undefined" ? "/" : location.pathname);
export const API = `${BASE}api/v1`;
const TIMEOUT_MS = 15_000;
/** An act over a hundred thousand photos is many changes, each signed. */
const ACT_TIMEOUT_MS = 900_000;

export function baseOf(path: string): string {
  return /^\/l\/[^/]+\//.exec(path)?.[0] ?? "/";
}

/** One library of the daemon; `path` is where its page is. */
export interface Served {
  name: string;
  path: string;
  library: string;
  state: "starting" | "serving" | "failed" | "stopped";
}

/** The libraries of this machine's daemon; none where one may not know (from another machine). */
export async function servedLibraries(): Promise<Served[]> {
  if (location.protocol === "https:") return []; // over TLS nobody is told
  try {
    const answer = await fetch("/api/libraries", {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
    const told = answer.ok ? ((await answer.json()) as { items: Served[] }) : { items: [] };
    return told.items;
  } catch {
    return [];
  }
}

/** The node understood and said no: an RFC 9457 problem document. */
export class Refusal extends Error {
  override name = "Refusal";
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fix: string,
    /** Of a query: which characters are wrong; null where the node does not say. */
    readonly wrong: { position: number; length: number } | null = null,
  ) {
    super(message);
  }
}

/** The node did not answer, or not in time. */
export class Unreachable extends Error {
  override name = "Unreachable";
}

/** Read a problem document; whatever it lacks is filled in from the status. */
export function refusal(status: number, body: unknown): Refusal {
  const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (key: string): string => (typeof said[key] === "string" ? said[key] : "");
  const message = text("detail") || text("title") || `The node answered with status ${status}.`;
  const { position, length } = said;
  const wrong =
    typeof position === "number"
      ? { position, length: typeof length === "number" ? length : 0 }
      : null;
  return new Refusal(status, text("code") || `http.${status}`, message, text("fix"), wrong);
}

let heardNobody: () => void = () => {};

/** Call this when the node says that it does not know who asks: a session ended. */
export function hearNobody(listener: () => void): void {
  heardNobody = listener;
}

export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  timeoutMs = TIMEOUT_MS,
): Promise<T> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(timeoutMs), cache: "no-store" };
  if (body !== undefined) {
    init.headers = { "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(API + path, init);
    text = await answer.text();
  } catch (error) {
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
  const json = parsed(text);
  if (answer.status === 401) heardNobody();
  if (!answer.ok) throw refusal(answer.status, json);
  return json as T;
}

function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/** Which way a list goes on from where it was opened. */
export type Direction = "older" | "newer";

/**
 * The query of one page of the timeline, without what is not asked. Where the timeline is opened at
 * a month, what is older goes down from its end, and what is newer goes up from there.
 */
export function pageQuery(
  filter: Filter,
  cursor: string | null,
  limit: number,
  direction: Direction = "older",
): string {
  const query = new URLSearchParams({ limit: String(limit) });
  if (filter.q) query.set("q", filter.q);
  if (filter.at !== null)
    query.set("at", direction === "older" ? filter.at : monthAfter(filter.at));
  if (direction === "newer") query.set("sort", "-taken");
  if (cursor !== null) query.set("cursor", cursor);
  return query.toString();
}

const act = <T>(path: string, body: unknown): Promise<T> =>
  request<T>("POST", path, body, ACT_TIMEOUT_MS);
const after = (cursor: string | null): string =>
  cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;

export const node = {
  status: () => request<Status>("GET", "/status"),
  photos: (filter: Filter, cursor: string | null, limit: number, direction?: Direction) =>
    request<PhotoPage>("GET", `/photos?${pageQuery(filter, cursor, limit, direction)}`),
  timeline: (q: string) =>
    request<{ months: MonthCount[]; count: number }>(
      "GET",
      `/timeline?${new URLSearchParams({ q }).toString()}`,
    ),
  facets: () => request<Facets>("GET", "/facets"),
  photo: (id: string) => request<PhotoDetail>("GET", `/photos/${encodeURIComponent(id)}`),
  edit: (id: string, edit: Edit) =>
    request<unknown>("PATCH", `/photos/${encodeURIComponent(id)}`, edit),
  resolve: (id: string, resolution: Resolution) =>
    request<unknown>("POST", `/photos/${encodeURIComponent(id)}/resolve`, resolution),
  /** Say the same of many photos, as one act. */
  editMany: (chosen: Chosen, edit: Edit) => act<BulkEdit>("/photos/edit", { ...chosen, ...edit }),
  placement: (id: string) =>
    request<Placement>("GET", `/photos/${encodeURIComponent(id)}/placement`),
  photoLog: (id: string, cursor: string | null) =>
    request<PhotoLog>("GET", `/photos/${encodeURIComponent(id)}/log?limit=50${after(cursor)}`),
  log: (cursor: string | null) => request<ActPage>("GET", `/log?limit=50${after(cursor)}`),
  audit: (cursor: string | null, act: string) =>
    request<AuditPage>("GET", `/audit?limit=50&act=${encodeURIComponent(act)}${after(cursor)}`),
  verifyAudit: () => request<AuditVerdict>("GET", "/audit/verdict"),
  undo: (what: { change: string } | { act: string }) => act<Undone>("/undo", what),
  albums: () => request<{ items: Album[] }>("GET", "/albums"),
  createAlbum: (name: string, query: string | null) =>
    request<Album>("POST", "/albums", { name, query }),
  changeAlbum: (id: string, change: { name?: string; query?: string | null }) =>
    request<Album>("PATCH", `/albums/${encodeURIComponent(id)}`, change),
  deleteAlbum: (id: string) => request<DeletedAlbum>("DELETE", `/albums/${encodeURIComponent(id)}`),
  trash: (cursor: string | null) => request<TrashPage>("GET", `/trash?limit=100${after(cursor)}`),
  discard: (chosen: Chosen, confirm = false) =>
    act<BulkEdit>("/trash", confirm ? { ...chosen, confirm } : chosen),
  restore: (chosen: Chosen) => act<BulkEdit>("/trash/restore", chosen),
  pause: (kind: Pause["kind"], id: string | null) =>
    act<{ items: Pause[] }>("/pauses", { kind, id }),
  resume: (kind: Pause["kind"], id: string | null) =>
    act<{ items: Pause[] }>("/pauses/end", { kind, id }),
  transfers: (limit: number) => request<Transfers>("GET", `/transfers?limit=${limit}`),
  setLimits: (limits: LimitsWanted) => request<Limits>("PUT", "/limits", limits),
  resetLimits: () => request<Limits>("DELETE", "/limits"),
  setScrub: (paused: boolean) => request<Scrub>("PUT", "/scrub", { paused }),
  verifications: () => request<{ items: Verification[] }>("GET", "/verifications"),
  /** Verify what a query finds; null: all that is stored. */
  verify: (q: string | null) =>
    request<Verification>("POST", "/verifications", q === null ? {} : { q }),
  confirmRemovals: (of: string) => act<unknown>("/trash/confirm", { node: of }),
  conflicts: (cursor: string | null, limit: number) =>
    request<ConflictPage>("GET", `/conflicts?limit=${limit}${after(cursor)}`),
  peers: () => request<{ items: Peer[] }>("GET", "/peers"),
  invite: (invited: Invited) => request<Invitation>("POST", "/invitations", invited),
  members: () => request<{ items: Member[] }>("GET", "/members"),
  revoke: (id: string, cut: number | null, asksOnly = false) =>
    request<Revocation>("POST", `/members/${encodeURIComponent(id)}/revoke`, {
      cut,
      dry_run: asksOnly,
    }),
  restoreMember: (id: string) =>
    request<Member>("POST", `/members/${encodeURIComponent(id)}/restore`, {}),
  changeRights: (id: string, scopes: readonly string[]) =>
    request<Member>("POST", `/members/${encodeURIComponent(id)}/scopes`, { scopes }),
  importFolder: (folder: string) => request<unknown>("POST", "/imports", { folder }),
};

export type NodeApi = typeof node;

export function previewUrl(id: string, size: 256 | 1600, attempt = 0): string {
  const again = attempt > 0 ? `&attempt=${attempt}` : "";
  return `${API}/photos/${encodeURIComponent(id)}/preview?size=${size}${again}`;
}

export function originalUrl(id: string): string {
  return `${API}/photos/${encodeURIComponent(id)}/original`;
}
