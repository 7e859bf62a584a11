/** Short messages at the rim of the page: what went wrong and what to do, or what was done. */

import { Refusal, Unreachable } from "../api/client.ts";

export interface Notice {
  id: number;
  kind: "done" | "failed";
  text: string;
  fix: string;
  action: Action | null;
}

/** What a button in the notice does; the notice goes away then. */
export interface Action {
  words: string;
  run: () => void;
}

const SHOWN_MAX = 3;
const SHOWN_MS = { done: 4_000, failed: 12_000 };
/** Long enough to see the result and to want it back. */
const ACTION_MS = 15_000;

export class Notices {
  shown = $state.raw<readonly Notice[]>([]);
  #last = 0;

  done(text: string, action: Action | null = null): void {
    this.#show("done", text, "", action);
  }

  /** Tell of an error in its own words. What is no refusal of the node is a fault of the page. */
  failed(what: string, error: unknown): void {
    if (error instanceof Refusal) this.#show("failed", `${what}: ${error.message}`, error.fix);
    else if (error instanceof Unreachable) {
      this.#show("failed", `${what}: the node does not answer.`, "Try again when it is back.");
    } else this.#show("failed", `${what}: ${String(error)}`, "Reload the page.");
  }

  dismiss(id: number): void {
    this.shown = this.shown.filter((notice) => notice.id !== id);
  }

  #show(kind: Notice["kind"], text: string, fix: string, action: Action | null = null): void {
    const id = ++this.#last;
    this.shown = [...this.shown.slice(-(SHOWN_MAX - 1)), { id, kind, text, fix, action }];
    setTimeout(() => this.dismiss(id), action ? ACTION_MS : SHOWN_MS[kind]);
  }
}
