/**
 * What moves on the node, what was asked to be verified, and what a person does about both. Read
 * while it is looked at, when events say that it is another one; never by the clock.
 */

import { node } from "../api/client.ts";
import type { NodeEvent } from "../api/events.ts";
import type { LimitsWanted, Pause, Transfers, Verification } from "../api/moving.ts";
import type { Notices } from "./notices.svelte.ts";
import { paced } from "./pace.ts";
import type { Session } from "./session.svelte.ts";
import { TRANSFERS_SHOWN_MAX, withProgress } from "./transfers.ts";

/** A rate that was told so long ago is none any more. */
const QUIET_MS = 6_000;
const OLD_AFTER: readonly NodeEvent["name"][] = ["transfer", "safety", "pauses", "peer", "gap"];
const VERIFIED_AFTER: readonly NodeEvent["name"][] = ["verification", "blob", "scrub", "gap"];

export class Moving {
  transfers = $state.raw<Transfers | null>(null);
  verifications = $state.raw<readonly Verification[]>([]);
  /** Nothing came for some seconds. */
  quiet = $state(false);
  /** Something that a person asked for is under way. */
  busy = $state(false);

  #lookers = 0;
  #quietly: ReturnType<typeof setTimeout> | undefined;
  #readTransfers = paced(() => this.#transfers(), 700);
  #readVerifications = paced(() => this.#verifications(), 700);

  constructor(
    readonly session: Session,
    readonly notices: Notices,
  ) {
    session.on((event) => this.#take(event));
  }

  /** Somebody looks; the returned function says that it is over. */
  look(): () => void {
    this.#lookers += 1;
    this.#readTransfers();
    this.#readVerifications();
    return () => {
      this.#lookers -= 1;
      clearTimeout(this.#quietly);
    };
  }

  pause(kind: Pause["kind"], id: string | null): Promise<boolean> {
    return this.#do("It was not paused", () => node.pause(kind, id));
  }

  resume(kind: Pause["kind"], id: string | null): Promise<boolean> {
    return this.#do("It was not resumed", () => node.resume(kind, id));
  }

  /** Make these the limits; what is wrong with them is thrown, for the form to show. */
  async limit(wanted: LimitsWanted): Promise<void> {
    await node.setLimits(wanted);
    this.session.refresh();
  }

  unlimit(): Promise<boolean> {
    return this.#do("The limits are as before", () => node.resetLimits());
  }

  verify(): Promise<boolean> {
    return this.#do("The verification did not begin", () => node.verify(null));
  }

  pauseScrub(paused: boolean): Promise<boolean> {
    return this.#do("It is as before", () => node.setScrub(paused));
  }

  async #do(failed: string, call: () => Promise<unknown>): Promise<boolean> {
    this.busy = true;
    try {
      await call();
      return true;
    } catch (error) {
      this.notices.failed(failed, error);
      return false;
    } finally {
      this.busy = false;
      this.session.refresh();
      this.#readTransfers();
      this.#readVerifications();
    }
  }

  #take(event: NodeEvent): void {
    if (this.#lookers === 0) return;
    if (event.name === "transfer") {
      const { transfers } = this;
      if (transfers) {
        this.transfers = { ...transfers, items: withProgress(transfers.items, event.data) };
      }
      this.#stirred();
    }
    if (OLD_AFTER.includes(event.name)) this.#readTransfers();
    if (VERIFIED_AFTER.includes(event.name)) this.#readVerifications();
  }

  #stirred(): void {
    this.quiet = false;
    clearTimeout(this.#quietly);
    this.#quietly = setTimeout(() => {
      this.quiet = true;
      this.#readTransfers();
    }, QUIET_MS);
  }

  async #transfers(): Promise<void> {
    try {
      this.transfers = await node.transfers(TRANSFERS_SHOWN_MAX);
    } catch {
      // Whether the node answers at all is told by its status.
    }
  }

  async #verifications(): Promise<void> {
    try {
      this.verifications = (await node.verifications()).items;
    } catch {
      // The same.
    }
  }
}
