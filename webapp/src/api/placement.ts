/** How many copies of a photo are wanted and where, by which rules, and what is missing. */

export interface PlacedNode {
  node: string;
  name: string;
  role: string;
  here: boolean;
  held: boolean;
  counts: boolean;
  wanted: boolean;
  /** By a rule: it never gives the photo up. */
  pinned: boolean;
  evict: "first" | "normal" | "last" | "never";
  verified_at: string | null;
  /** In words, what is in the way of a copy that is wanted there. */
  obstacle: string | null;
}

export interface Placement {
  photo: string;
  copies: number;
  held: number;
  missing: number;
  on: Record<string, number>;
  missing_on: Record<string, number>;
  not_on: string[];
  yielding: string[];
  rules: { text: string; contested: boolean }[];
  nodes: PlacedNode[];
  /** So many copies more are missing than there are members to take them. */
  nobody: number;
  unknown: string[];
  unread: string[];
}

/** "3 copies, 1 on archive". */
export function wantedWords(placement: Placement): string {
  const copies = placement.copies === 1 ? "1 copy" : `${placement.copies} copies`;
  const roles = Object.entries(placement.on).map(([role, count]) => `, ${count} on ${role}`);
  return copies + roles.join("");
}

/** What is to be said beside: why fewer members have it than one would think. */
export function notesOf(placement: Placement): string[] {
  const notes: string[] = [];
  if (placement.nobody > 0) {
    notes.push(`No member is there to take ${placement.nobody} of them.`);
  }
  if (placement.not_on.length > 0) notes.push(`Not on ${placement.not_on.join(", ")}.`);
  if (placement.yielding.length > 0) {
    const roles = placement.yielding.join(", ");
    notes.push(`“Not on ${roles}” gives way: too few other members would be left.`);
  }
  for (const name of placement.unknown) {
    notes.push(`A rule names ${name}, and no member is called so.`);
  }
  if (placement.unread.length > 0) {
    notes.push("A rule cannot be read here, so this node evicts nothing.");
  }
  return notes;
}

/** What is said of one member, "" where its copy says it all. */
export function nodeWords(node: PlacedNode): string {
  if (node.obstacle) return node.obstacle;
  if (node.pinned) return node.held ? "kept here by a rule" : "wanted by a rule";
  if (!node.held) return "not wanted there";
  return node.evict === "first" ? "goes first when room is short" : "";
}
