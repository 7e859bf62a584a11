/** The limits as a form has them, text for text, and what the node is told of it. Pure. */

import type { Limits, LimitsWanted } from "../api/moving.ts";
import type { Peer } from "../api/types.ts";
import { parseRate, RateWrong, showRate } from "../rates.ts";

export interface LimitsDraft {
  in: string;
  out: string;
  schedule: string;
  metered: boolean;
  /** What happens on a metered link: originals wait, or everything goes on at a rate. */
  meteredMeans: "wait" | "rate";
  meteredRate: string;
  parallel: string;
  peers: PeerDraft[];
}

export interface PeerDraft {
  peer: string;
  name: string;
  in: string;
  out: string;
}

/** What is wrong, by the field where it is: "in", "parallel", "in of PEER". */
export type Wrongs = Record<string, string>;

/** The form of the limits in force; every peer that there is can have its own. */
export function draftOf(limits: Limits, peers: readonly Peer[]): LimitsDraft {
  const set = new Map(limits.peers.map((one) => [one.peer, one]));
  const names = new Map(peers.map(({ id, name }) => [id, name]));
  for (const { peer, name } of limits.peers) if (!names.has(peer)) names.set(peer, name);
  return {
    in: showRate(limits.in_bytes_s),
    out: showRate(limits.out_bytes_s),
    schedule: limits.schedule,
    metered: limits.metered,
    meteredMeans: limits.metered_bytes_s === null ? "wait" : "rate",
    meteredRate: showRate(limits.metered_bytes_s),
    parallel: limits.parallel === null ? "" : String(limits.parallel),
    peers: [...names].map(([peer, name]) => ({
      peer,
      name: name ?? peer,
      in: showRate(set.get(peer)?.in_bytes_s ?? null),
      out: showRate(set.get(peer)?.out_bytes_s ?? null),
    })),
  };
}

/** What to tell the node, or what is wrong. Schedules are judged by the node alone. */
export function wantedOf(draft: LimitsDraft): { wanted: LimitsWanted } | { wrongs: Wrongs } {
  const wrongs: Wrongs = {};
  const rate = (field: string, text: string): number | null => {
    try {
      return parseRate(text);
    } catch (error) {
      if (!(error instanceof RateWrong)) throw error;
      wrongs[field] = error.message;
      return null;
    }
  };
  const goesOn = draft.metered && draft.meteredMeans === "rate";
  const metered = goesOn ? rate("metered", draft.meteredRate) : null;
  if (goesOn && metered === null) {
    wrongs["metered"] ??= "At which rate? Write it as 500 kB/s.";
  }
  const parallel = draft.parallel.trim();
  if (parallel !== "" && !/^[1-9]\d{0,8}$/.test(parallel)) {
    wrongs["parallel"] = "Write a number of files, or nothing for no limit.";
  }
  const wanted: LimitsWanted = {
    in_bytes_s: rate("in", draft.in),
    out_bytes_s: rate("out", draft.out),
    schedule: draft.schedule.trim(),
    metered: draft.metered,
    metered_bytes_s: metered,
    parallel: parallel === "" ? null : Number(parallel),
    peers: draft.peers
      .map(({ peer, in: inwards, out }) => ({
        peer,
        in_bytes_s: rate(`in of ${peer}`, inwards),
        out_bytes_s: rate(`out of ${peer}`, out),
      }))
      .filter((one) => one.in_bytes_s !== null || one.out_bytes_s !== null),
  };
  return Object.keys(wrongs).length > 0 ? { wrongs } : { wanted };
}
