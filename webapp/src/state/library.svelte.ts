/**
 * The photos of the filter in force, paged in while scrolling and kept true while the node changes.
 * Few changed photos are read one by one; many, or ones whose place only the node knows, by reading
 * the top of the timeline again. Beyond `REFRESH_MAX` photos the page says so and asks first.
 */

import { node, Refusal } from "../api/client.ts";
import type { PhotoSummary } from "../api/types.ts";
import { EVERYTHING, sameFilter, type Filter } from "../route.ts";
import { mapBounded, paced } from "./pace.ts";
import { EMPTY, needsPlace, reaches, withPage, withPhotos, type PhotoList } from "./photo-list.ts";

/** The first page is small, to be there at once; the node gives at most 500. */
const FIRST_PAGE = 200;
const LATER_PAGE = 500;
const CHANGED_MAX = 48;
const REFRESH_MAX = 2_000;
const READS_AT_ONCE = 6;
const SEEK_PAGES_MAX = 40;

export class Library {
  list = $state.raw<PhotoList>(EMPTY);
  filter = $state.raw<Filter>(EVERYTHING);
  /** A page is on its way. */
  loading = $state(false);
  /** The last page could not be read; `more` tries again. */
  failed = $state(false);
  /** The first page of the filter in force is in. */
  ready = $state(false);
  /** There is more news than was read again by itself. */
  stale = $state(false);

  /** Answers to questions of an earlier generation are dropped. */
  #generation = 0;
  #underway: Promise<void> | null = null;
  #changed = new Set<string>();
  #readChanged = paced(() => this.#takeChanged(), 250);
  #readAgain = paced(() => this.#refresh(), 1_000);

  /** Show what fits `filter`. The photos before stay in sight until the first page is there. */
  show(filter: Filter): void {
    if ((this.ready || this.loading) && sameFilter(filter, this.filter)) return;
    this.filter = filter;
    this.reload();
  }

  /** Read the timeline anew from its top; a new filter value, if an equal one, tells the grid. */
  reload(): void {
    this.filter = { ...this.filter };
    this.#generation += 1;
    this.ready = false;
    this.stale = false;
    this.loading = false;
    this.#underway = null;
    void this.more();
  }

  /** Read the next page, if there is one; a page that is on its way is waited for instead. */
  more(limit = this.ready ? LATER_PAGE : FIRST_PAGE): Promise<void> {
    if (this.ready && this.list.complete) return Promise.resolve();
    this.#underway ??= this.#page(limit);
    return this.#underway;
  }

  /** Page on until the place of a date in the timeline is in, within bounds. */
  async seek(taken: string): Promise<void> {
    for (let page = 0; page < SEEK_PAGES_MAX && !reaches(this.list, taken); page++) {
      await this.more(LATER_PAGE);
      if (this.failed) return;
    }
  }

  /** The node says that these photos may be others now. */
  touch(ids: readonly string[]): void {
    for (const id of ids) this.#changed.add(id);
    this.#readChanged();
  }

  /** Anything may be different: read again what is shown. */
  refresh(): void {
    this.#readAgain();
  }

  /** Put in what is already known about a photo, without asking the node. */
  put(photo: PhotoSummary): void {
    this.list = withPhotos(this.list, [photo], [], this.filter);
  }

  find(id: string): PhotoSummary | undefined {
    return this.list.items.find((photo) => photo.id === id);
  }

  async #page(limit: number): Promise<void> {
    const generation = this.#generation;
    const cursor = this.ready ? this.list.next : null;
    this.loading = true;
    try {
      const page = await node.photos(this.filter, cursor, limit);
      if (generation !== this.#generation) return;
      this.list = withPage(this.ready ? this.list : EMPTY, page);
      this.ready = true;
      this.failed = false;
    } catch {
      if (generation === this.#generation) this.failed = true;
    } finally {
      if (generation === this.#generation) {
        this.loading = false;
        this.#underway = null;
      }
    }
  }

  async #takeChanged(): Promise<void> {
    const ids = [...this.#changed];
    this.#changed.clear();
    if (ids.length === 0 || !this.ready) return;
    if (ids.length > CHANGED_MAX || this.filter.q || this.filter.camera) {
      this.#readAgain();
      return;
    }
    const generation = this.#generation;
    const gone: string[] = [];
    const read = await mapBounded(ids, READS_AT_ONCE, async (id) => {
      try {
        return await node.photo(id);
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) gone.push(id);
        return null;
      }
    });
    if (generation !== this.#generation) return;
    const there = read.filter((photo) => photo !== null);
    if (needsPlace(this.list, there)) this.#readAgain();
    this.list = withPhotos(this.list, there, gone, this.filter);
  }

  async #refresh(): Promise<void> {
    if (!this.ready) {
      if (!this.loading) this.reload();
      return;
    }
    const wanted = this.list.items.length;
    if (wanted > REFRESH_MAX) {
      this.stale = true;
      return;
    }
    const generation = ++this.#generation;
    this.#underway = null;
    this.loading = true;
    try {
      let fresh = EMPTY;
      do {
        const page = await node.photos(this.filter, fresh.next, LATER_PAGE);
        if (generation !== this.#generation) return;
        fresh = withPage(fresh, page);
      } while (!fresh.complete && fresh.items.length < wanted);
      this.list = fresh;
      this.failed = false;
    } catch {
      if (generation === this.#generation) this.failed = true;
    } finally {
      if (generation === this.#generation) this.loading = false;
    }
  }
}
