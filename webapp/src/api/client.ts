/**
 * Requests to the node that served the page. A refusal arrives as `Refusal` with the node's own
 * words and its fix; a node that does not answer as `Unreachable`. Nothing is retried here.
 */

import type {
  ConflictPage,
  Edit,
  Invitation,
  Peer,
  PhotoDetail,
  PhotoPage,
  Resolution,
  Status,
} from "./types.ts";
import type { Filter } from "../route.ts";

export const API = "/api/v1";
const TIMEOUT_MS = 15_000;

/** The node understood and said no: an RFC 9457 problem document. */
export class Refusal extends Error {
  override name = "Refusal";
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fix: string,
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
  return new Refusal(status, text("code") || `http.${status}`, message, text("fix"));
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" };
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

/** The query of one page of the timeline, without what is not asked. */
export function pageQuery(filter: Filter, cursor: string | null, limit: number): string {
  const query = new URLSearchParams({ limit: String(limit) });
  if (filter.q) query.set("q", filter.q);
  if (filter.rating !== null) query.set("rating", String(filter.rating));
  if (filter.camera) query.set("camera", filter.camera);
  if (filter.conflicts) query.set("conflicts", "true");
  if (cursor !== null) query.set("cursor", cursor);
  return query.toString();
}

export const node = {
  status: () => request<Status>("GET", "/status"),
  photos: (filter: Filter, cursor: string | null, limit: number) =>
    request<PhotoPage>("GET", `/photos?${pageQuery(filter, cursor, limit)}`),
  photo: (id: string) => request<PhotoDetail>("GET", `/photos/${encodeURIComponent(id)}`),
  edit: (id: string, edit: Edit) =>
    request<unknown>("PATCH", `/photos/${encodeURIComponent(id)}`, edit),
  resolve: (id: string, resolution: Resolution) =>
    request<unknown>("POST", `/photos/${encodeURIComponent(id)}/resolve`, resolution),
  conflicts: (cursor: string | null, limit: number) => {
    const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    return request<ConflictPage>("GET", `/conflicts?limit=${limit}${after}`);
  },
  peers: () => request<{ items: Peer[] }>("GET", "/peers"),
  invite: (role: string) => request<Invitation>("POST", "/invitations", { role }),
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
