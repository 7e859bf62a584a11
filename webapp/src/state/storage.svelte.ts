/**
 * The room on this node, the copies of photos, pins and photos as files, and what a person does
 * about them. Read while somebody looks, when events say that something is another one; never by
 * the clock. What costs the node a look at every photo is read no more often than each few seconds.
 */

import { node } from "../api/client.ts";
import type { NodeEvent } from "../api/events.ts";
import { storage, type Evictions } from "../api/storage.ts";
import type { Act } from "../api/types.ts";
import { leftOf, type Left } from "./buffer.ts";
import { writeBacks } from "./exports.ts";
import type { Notices } from "./notices.svelte.ts";
import { pinRule } from "./pins.ts";
import { Reading } from "./reading.svelte.ts";
import type { Session } from "./session.svelte.ts";

const CHEAP_MS = 700;
/** For what reads a line for each photo. */
const DEAR_MS = 5_000;

/** An original that left, with its name where the photo is still in the catalog. */
export interface LeftPhoto extends Left {
  name: string | null;
}

type Names = readonly NodeEvent["name"][];
/** What is old after which event; a node that comes or goes changes nearly everything. */
const PLAN_OLD: Names = ["buffer", "holdings", "peer", "placement", "gap"];
const LEFT_OLD: Names = ["buffer", "holdings", "audit", "gap"];
const COPIES_OLD: Names = ["holdings", "photos", "peer", "placement", "safety", "gap"];
const CALENDAR_OLD: Names = ["scrub", "verification", "blob", "holdings", "gap"];
const PINS_OLD: Names = ["placement", "photos", "gap"];
const EXPORTS_OLD: Names = ["exports", "audit", "gap"]; // rules are told of by the audit log
const WRITTEN_OLD: Names = ["exports", "photos", "gap"];

export class Storage {
  /** What would go, if everything had to. */
  readonly plan = new Reading(() => this.#plan(), DEAR_MS);
  readonly left = new Reading(() => this.#left(), CHEAP_MS);
  readonly copies = new Reading(() => storage.redundancy(), DEAR_MS);
  readonly calendar = new Reading(() => storage.calendar(), DEAR_MS);
  readonly policy = new Reading(() => storage.placementPolicy(), CHEAP_MS);
  readonly exports = new Reading(() => storage.exports(), CHEAP_MS);
  readonly written = new Reading<Act[]>(
    async () => writeBacks((await node.log(null)).items),
    CHEAP_MS,
  );
  /** What came of the last time that somebody let photos go here. */
  went = $state.raw<Evictions | null>(null);
  busy = $state(false);

  #lookers = 0;

  constructor(
    readonly session: Session,
    readonly notices: Notices,
  ) {
    session.on((event) => this.#take(event));
  }

  /** Somebody looks; the returned function says that it is over. */
  look(): () => void {
    this.#lookers += 1;
    for (const reading of this.#readings()) reading.again();
    return () => {
      this.#lookers -= 1;
      this.went = null;
    };
  }

  /** Let so many bytes go, null: down to the low mark. What is refused is thrown. */
  async evict(bytes: number | null): Promise<void> {
    await this.#do(async () => {
      this.went = await storage.evict(bytes);
      this.session.refresh();
      this.plan.again();
      this.left.again();
      this.copies.again();
    });
  }

  /** Have a node keep what a query finds. What is refused is thrown. */
  pin(query: string, on: string): Promise<void> {
    return this.#do(async () => {
      this.policy.take(await storage.changePlacement({ add: [pinRule(query, on)] }));
    });
  }

  unpin(rule: string): Promise<void> {
    return this.#do(async () => {
      this.policy.take(await storage.changePlacement({ remove: [rule] }));
    });
  }

  /** Let these mount the tree and no others; null: those of the settings. What is refused is thrown. */
  allow(rules: string[] | null): Promise<void> {
    return this.#do(async () => {
      const told = rules === null ? storage.resetExportRules() : storage.setExportRules(rules);
      this.exports.take(await told);
    });
  }

  async #do(call: () => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      await call();
    } finally {
      this.busy = false;
    }
  }

  #readings(): { again: () => void }[] {
    const { plan, left, copies, calendar, policy, exports, written } = this;
    return [exports, policy, left, plan, copies, calendar, written];
  }

  #take({ name }: NodeEvent): void {
    if (this.#lookers === 0) return;
    if (PLAN_OLD.includes(name)) this.plan.again();
    if (LEFT_OLD.includes(name)) this.left.again();
    if (COPIES_OLD.includes(name)) this.copies.again();
    if (CALENDAR_OLD.includes(name)) this.calendar.again();
    if (PINS_OLD.includes(name)) this.policy.again();
    if (EXPORTS_OLD.includes(name)) this.exports.again();
    if (WRITTEN_OLD.includes(name)) this.written.again();
  }

  /** What would go if all that is used had to. */
  #plan(): Promise<Evictions> {
    const used = this.session.status?.buffer?.used_bytes;
    // Before the first status: more than any disk has, which is all as well.
    return storage.evictions(used ?? 1e15);
  }

  async #left(): Promise<LeftPhoto[]> {
    const { status, peers } = this.session;
    const { items } = await storage.lastEvictions();
    const left = items.map((entry) => leftOf(entry, status ? [...peers, status.node] : peers));
    const names = new Map<string, string>();
    if (left.length > 0) {
      const q = left.map(({ photo }) => `id:${photo}`).join(" or ");
      const found = await node.photos({ q, at: null }, null, left.length);
      for (const { id, name } of found.items) names.set(id, name);
    }
    return left.map((one) => ({ ...one, name: names.get(one.photo) ?? null }));
  }
}
