/**
 * Which previews were asked for and not there yet. A tile shows a placeholder then; when the node
 * tells that something about the photo arrived, its preview is asked for again under a new address.
 */

import { SvelteMap } from "svelte/reactivity";

export class Previews {
  /** How often each missing preview was asked for; others are not in it. */
  #attempts = new SvelteMap<string, number>();
  #missing = new Set<string>();

  attempt(id: string): number {
    return this.#attempts.get(id) ?? 0;
  }

  missed(id: string): void {
    this.#missing.add(id);
  }

  /** Ask again for those of `ids` that were missing; for all of them without `ids`. */
  retry(ids?: readonly string[]): void {
    for (const id of ids ?? [...this.#missing]) {
      if (this.#missing.delete(id)) this.#attempts.set(id, this.attempt(id) + 1);
    }
  }
}
