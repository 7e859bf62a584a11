/** Transfers and imports as the page shows them: a full status now and then, events in between. */

import type {
  CatalogProgress,
  ImportRun,
  Left,
  NodeEvents,
  Pause,
  Safety,
  Transfer,
} from "../api/types.ts";
import { bytes, counted, waitWords } from "../format.ts";

export const TRANSFERS_SHOWN_MAX = 50;

/** Take in one progress event. A transfer that is complete goes; the next status confirms it. */
export function withProgress(
  transfers: readonly Transfer[],
  event: NodeEvents["transfer"],
): Transfer[] {
  const { blob, name, done_bytes, total_bytes } = event;
  const pace = {
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

/** How safe the photos are, in one sentence; empty while it is not counted yet. */
export function safetyWords(safety: Safety | null | undefined): string {
  if (!safety || safety.state === "unknown") return "";
  const nodes = counted(safety.min_copies, "node");
  if (safety.state === "safe") return `Every photo is on ${nodes} at least.`;
  const photos = counted(safety.photos_at_risk, "photo is", "photos are");
  const some = `${photos} on fewer than ${nodes}, ${bytes(safety.bytes_left)} left`;
  switch (safety.state) {
    case "moving":
      return safety.eta_s === null
        ? `${some}; when they are safe is unknown yet.`
        : `${some}; safe in ${waitWords(safety.eta_s)}.`;
    case "paused":
      return `${some}; when is unknown, for fetching is paused here.`;
    case "too-few-nodes":
      return `${some}: the library has too few nodes. Invite one.`;
    default:
      return `${some}; when is unknown, for nothing moves.`;
  }
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
