/** The members of the library, and what it means to revoke one: as the node tells them. */

export interface Member {
  id: string;
  name: string;
  role: string;
  scopes: string[];
  admin: boolean;
  expires: string | null;
  last_seen: string | null;
  connected: boolean;
  this_node: boolean;
  revoked: boolean;
  /** The last of its changes that counts, once it is revoked; `known`: the last that is here. */
  cut: number | null;
  known: number | null;
  clock_ahead_s: number | null;
}

export interface Revocation {
  id: string;
  name: string;
  done: boolean;
  cut: number;
  known: number;
  originals: number;
  bytes: number;
  only_there: number;
  could_read: string[];
}

export interface Invited {
  role: string;
  /** How long the code works. */
  ttl_s: number;
  /** What the new member may do; all but to administer if it is not said. */
  scopes?: string[];
  /** For how long the membership is good before it is renewed. */
  life_s?: number;
}

/** What may be given, in the order in which people think of it, and in their words. */
export const SCOPES: readonly { scope: string; words: string }[] = [
  { scope: "catalog.read", words: "See the catalog" },
  { scope: "catalog.unseal", words: "Read where photos were taken" },
  { scope: "blobs.read", words: "Fetch originals and previews" },
  { scope: "blobs.hold", words: "Keep copies that count" },
  { scope: "catalog.write", words: "Import, rate and edit" },
  { scope: "conflicts.resolve", words: "Settle conflicts" },
  { scope: "jobs.run", words: "Run jobs" },
  { scope: "members.admin", words: "Administer: invite, revoke, give rights" },
];

export const PLAIN: readonly string[] = SCOPES.map(({ scope }) => scope).filter(
  (scope) => scope !== "members.admin",
);

/** Whether these are what every member gets. */
export const isPlain = (scopes: readonly string[]): boolean =>
  scopes.length === PLAIN.length && PLAIN.every((scope) => scopes.includes(scope));

/** Say in a word what a member may do, or count it. */
export function rightsWords(member: Pick<Member, "scopes" | "admin" | "revoked">): string {
  if (member.revoked) return "revoked";
  if (member.admin) return "admin";
  if (PLAIN.every((scope) => member.scopes.includes(scope))) return "member";
  const isSealed = PLAIN.every((one) => member.scopes.includes(one) !== (one === "catalog.unseal"));
  if (isSealed) return "member without the library key";
  const words = SCOPES.filter(({ scope }) => member.scopes.includes(scope));
  return words.map(({ words }) => words.toLowerCase()).join(", ");
}
