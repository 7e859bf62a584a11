/**
 * The photos that are chosen for an act: some, or all that the query finds but some. Choosing all of
 * a million photos is one word here and in the request.
 */

import type { Chosen } from "../api/types.ts";
import { without } from "../query.ts";

/** Photos that may be left out of "all"; each takes its room in the query. */
const APART_MAX = 20;

export class Selection {
  /** Chosen photos, or with `all` those that are not. */
  ids = $state.raw<ReadonlySet<string>>(new Set());
  all = $state(false);
  /** The photo that was chosen last; a range begins there. */
  last: string | null = null;

  has(id: string): boolean {
    return this.ids.has(id) !== this.all;
  }

  /** How many, of `total` that the query finds. */
  count(total: number): number {
    return this.all ? Math.max(0, total - this.ids.size) : this.ids.size;
  }

  get any(): boolean {
    return this.all || this.ids.size > 0;
  }

  toggle(id: string): void {
    const ids = new Set(this.ids);
    if (!ids.delete(id)) {
      if (this.all && ids.size >= APART_MAX) return;
      ids.add(id);
    }
    this.ids = ids;
    this.last = id;
  }

  /** Choose these too: those from the last one to another. */
  range(ids: readonly string[]): void {
    if (this.all) this.ids = new Set([...this.ids].filter((id) => !ids.includes(id)));
    else this.ids = new Set([...this.ids, ...ids]);
    this.last = ids.at(-1) ?? this.last;
  }

  everything(): void {
    this.ids = new Set();
    this.all = true;
  }

  clear(): void {
    this.ids = new Set();
    this.all = false;
    this.last = null;
  }

  chosen(q: string): Chosen {
    return this.all ? { q: without(q, this.ids) } : { ids: [...this.ids] };
  }
}
