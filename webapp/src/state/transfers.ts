/** Transfers and imports as the page shows them: a full status now and then, events in between. */

import type { Pause, Safety, Transfer } from "../api/moving.ts";
import type { CatalogProgress, ImportRun, Left, NodeEvents } from "../api/types.ts";
import { aboutWait, bytes, count, counted, rate, shortId } from "../format.ts";

export const TRANSFERS_SHOWN_MAX = 25;

/** Take in one progress event. A transfer that is complete goes; the next status confirms it. */
export function withProgress(
  transfers: readonly Transfer[],
  event: NodeEvents["transfer"],
): Transfer[] {
  const { blob, name, done_bytes, total_bytes } = event;
  const pace = {
    ...(event.kind !== undefined && { kind: event.kind }),
    ...(event.state !== undefined && { state: event.state }),
    ...(event.rate_bytes_s !== undefined && { rate_bytes_s: event.rate_bytes_s }),
    ...(event.eta_s !== undefined && { eta_s: event.eta_s }),
  };
  const others = transfers.filter((transfer) => transfer.blob !== blob);
  if (total_bytes > 0 && done_bytes >= total_bytes) return others;
  const at = transfers.findIndex((transfer) => transfer.blob === blob);
  if (at < 0) {
    const begun = {
      blob,
      name,
      done_bytes,
      total_bytes,
      state: "fetching",
      rate_bytes_s: null,
      peers: [],
      ...pace,
    };
    return [...others, begun].slice(0, TRANSFERS_SHOWN_MAX);
  }
  return transfers.map((transfer, index) =>
    index === at ? { ...transfer, done_bytes, total_bytes, ...pace } : transfer,
  );
}

/** How safe the photos are: what a person must know, then what is done about it. */
export interface SafetyWords {
  headline: string;
  detail: string;
}

/** Null while it is not counted yet. `peers`: how many other nodes are connected. */
export function safetyWords(safety: Safety | null | undefined, peers: number): SafetyWords | null {
  if (!safety || safety.state === "unknown") return null;
  const machines = safety.min_copies === 1 ? "one machine" : `${safety.min_copies} machines`;
  if (safety.state === "safe") {
    return { headline: `Every photo is on ${machines} or more.`, detail: "" };
  }
  return { headline: riskWords(safety, machines), detail: waitingWords(safety, peers) };
}

function riskWords(safety: Safety, machines: string): string {
  const { photos_at_risk: photos, only_here = 0, nowhere = 0 } = safety;
  const are = counted(photos, "photo is", "photos are");
  const lost =
    nowhere > 0 ? ` Of ${count(nowhere)}, no machine that is known has a copy that counts.` : "";
  if (only_here === photos) return `${are} on this machine only.`;
  const here = only_here > 0 ? `, ${count(only_here)} of them on this one only` : "";
  if (nowhere === photos)
    return `Of ${counted(photos, "photo")} no known machine has a copy that counts.`;
  if (safety.min_copies === 2 && nowhere === 0) {
    return only_here > 0
      ? `${are} on one machine only${here}.`
      : `${are} on one other machine only.`;
  }
  return `${are} on fewer than ${machines}${here}.${lost}`;
}

function waitingWords(safety: Safety, peers: number): string {
  const left = `${bytes(safety.bytes_left)} to go`;
  switch (safety.state) {
    case "moving":
      if (safety.eta_s === null) return `${left}. How long it takes is not known yet.`;
      return `${left}, ${aboutWait(safety.eta_s)} at the present ${rate(safety.rate_bytes_s)}.`;
    case "paused":
      return `${left}. Fetching is paused here.`;
    case "too-few-nodes":
      return `${left}, and the library has too few nodes: invite one, and it takes them.`;
    default:
      return peers === 0
        ? `${left}. It goes on when another node is connected.`
        : `${left}. Nothing moves now, so nobody can say when.`;
  }
}

/** What a file on its way is called. */
export function transferName({ name, kind, blob }: Transfer): string {
  const words = name || shortId(blob);
  return kind && kind !== "original" ? `${words} (${kind})` : words;
}

/** What is paused, in words. */
export function pauseWords(pause: Pause): string {
  if (pause.kind === "library") return "Fetching is paused";
  return `The ${pause.kind} ${pause.name ?? pause.id ?? ""} is paused`;
}

/** Take in how far one import is; each folder is shown once. */
export function withImport(imports: readonly ImportRun[], event: ImportRun): ImportRun[] {
  const known = imports.some((run) => run.folder === event.folder);
  return known
    ? imports.map((run) => (run.folder === event.folder ? event : run))
    : [event, ...imports];
}

/** 0 to 1; an unknown total counts as nothing done. */
export function share(done: number, total: number): number {
  return total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
}

/** What the catalog is busy with in words, and its share from 0 to 1; null when with nothing. */
export function catalogWork(
  catalog: CatalogProgress | null,
): { words: string; share: number } | null {
  const done = (parts: readonly Left[]): number => {
    const sum = (key: keyof Left): number => parts.reduce((all, part) => all + part[key], 0);
    return share(sum("of") - sum("left"), sum("of"));
  };
  const { indexing, syncing = {} } = catalog ?? {};
  if (indexing && indexing.left > 0) {
    return { words: "Building the index", share: done([indexing]) };
  }
  const peers = Object.values(syncing).filter(({ left }) => left > 0);
  if (peers.length === 0) return null;
  const from = peers.length === 1 ? "one node" : `${peers.length} nodes`;
  return { words: `Comparing the catalog with ${from}`, share: done(peers) };
}
