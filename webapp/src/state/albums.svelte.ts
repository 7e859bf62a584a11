/** The albums of the library, and what there is to search for. */

import { node } from "../api/client.ts";
import type { Album, DeletedAlbum, Facets } from "../api/types.ts";
import type { Notices } from "./notices.svelte.ts";
import { paced } from "./pace.ts";

const FACETS_KEPT_MS = 60_000;

export class Albums {
  items = $state.raw<Album[]>([]);
  facets = $state.raw<Facets | null>(null);
  #facetsAt = -Infinity;
  #read = paced(() => this.#list(), 1_000);

  constructor(readonly notices: Notices) {}

  refresh(): void {
    this.#read();
  }

  /** Read what there is to choose from, if that was not done a moment ago. */
  async wantFacets(): Promise<void> {
    if (performance.now() - this.#facetsAt < FACETS_KEPT_MS) return;
    this.#facetsAt = performance.now();
    try {
      this.facets = await node.facets();
    } catch {
      this.#facetsAt = -Infinity;
    }
  }

  create(name: string, query: string | null): Promise<Album | null> {
    return this.#write("The album was not made", () => node.createAlbum(name, query));
  }

  change(id: string, change: { name?: string; query?: string | null }): Promise<Album | null> {
    return this.#write("The album was not changed", () => node.changeAlbum(id, change));
  }

  remove(id: string): Promise<DeletedAlbum | null> {
    return this.#write("The album was not deleted", () => node.deleteAlbum(id));
  }

  async #write<A extends Album>(what: string, call: () => Promise<A>): Promise<A | null> {
    try {
      const album = await call();
      await this.#list();
      return album;
    } catch (error) {
      this.notices.failed(what, error);
      return null;
    }
  }

  async #list(): Promise<void> {
    try {
      this.items = (await node.albums()).items;
    } catch {
      // Whether the node answers at all is told by its status.
    }
  }
}
