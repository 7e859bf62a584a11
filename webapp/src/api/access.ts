/** Who may look at the node from another machine: tokens, and the session that one becomes. */

import { request } from "./client.ts";

/** Who asks. Without a token it is the user of the node's own machine, who may everything. */
export interface Asker {
  scopes: string[];
  /** The name of its token. */
  token: string | null;
  expires: string | null;
}

export interface Token {
  id: string;
  name: string;
  scopes: string[];
  created: string;
  expires: string;
  last_used: string | null;
  by: string | null;
}

export interface NewToken {
  token: Token;
  /** Told this once. */
  text: string;
  /** Opens the page and logs it in; null where the node serves no other machine. */
  link: string | null;
  qr_svg: string | null;
}

export const door = {
  asker: () => request<Asker>("GET", "/session"),
  logIn: (token: string) => request<unknown>("POST", "/session", { token }),
  logOut: () => request<unknown>("DELETE", "/session"),
  tokens: () => request<{ items: Token[] }>("GET", "/tokens"),
  createToken: (name: string, scopes: readonly string[], ttl_s: number) =>
    request<NewToken>("POST", "/tokens", { name, scopes, ttl_s }),
  revokeToken: (id: string) => request<Token>("DELETE", `/tokens/${encodeURIComponent(id)}`),
};

/** What a token is usually for, from little to everything. */
export const PURPOSES = [
  { words: "Look at photos", scopes: ["catalog.read", "blobs.read"] },
  {
    words: "Look and edit",
    scopes: ["catalog.read", "catalog.write", "blobs.read", "conflicts.resolve"],
  },
  {
    words: "Everything, tokens and other nodes too",
    scopes: [
      "catalog.read",
      "catalog.write",
      "blobs.read",
      "blobs.hold",
      "conflicts.resolve",
      "jobs.run",
      "members.admin",
    ],
  },
] as const;

/** Say what a token may do: in the words of a purpose, or else by its scopes. */
export function purposeWords(scopes: readonly string[]): string {
  const same = PURPOSES.find(
    (purpose) =>
      purpose.scopes.length === scopes.length &&
      purpose.scopes.every((scope) => scopes.includes(scope)),
  );
  return same?.words ?? scopes.join(", ");
}

/** The token in an address that logs in, "#/login?token=...", or null. */
export function tokenOf(hash: string): string | null {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  return path === "/login" ? new URLSearchParams(query).get("token") || null : null;
}
