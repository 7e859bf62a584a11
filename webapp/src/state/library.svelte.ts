/**
 * The photos of the filter in force, paged in while scrolling and kept true while the node changes.
 * Few changed photos are read one by one; many, or ones whose place only the node knows, by reading
 * the top of the timeline again. Beyond `REFRESH_MAX` photos the page says so and asks first.
 */

import { node, Refusal } from "../api/client.ts";
import type { PhotoSummary } from "../api/types.ts";
import type { MonthCount } from "../layout/months.ts";
import { isByTime, plainOf } from "../query.ts";
import { EVERYTHING, sameFilter, type Filter } from "../route.ts";
import { mapBounded, paced } from "./pace.ts";
import {
  EMPTY,
  emptyOf,
  momentOf,
  needsPlace,
  reaches,
  withNewer,
  withPage,
  withPhotos,
  type PhotoList,
} from "./photo-list.ts";

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
  /** Why the node cannot read the query. What was found before stays in sight. */
  wrong = $state.raw<Refusal | null>(null);
  /** The months of all that the query finds, the newest first; none in another order than time. */
  months = $state.raw<readonly MonthCount[]>([]);
  /** How many photos the query finds; null while it is not known. */
  total = $state<number | null>(null);

  /** Answers to questions of an earlier generation are dropped. */
  #generation = 0;
  #underway: Promise<void> | null = null;
  #newerUnderway = false;
  #counted: string | null = null;
  #changed = new Set<string>();
  #readChanged = paced(() => this.#takeChanged(), 250);
  #readAgain = paced(() => this.#refresh(), 1_000);
  #count = paced(() => this.#months(), 1_500);

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
    this.wrong = null;
    this.#underway = null;
    this.#newerUnderway = false;
    if (this.filter.q !== this.#counted) this.total = null;
    void this.more();
    this.#count();
  }

  /** Read the next page, if there is one; a page that is on its way is waited for instead. */
  more(limit = this.ready ? LATER_PAGE : FIRST_PAGE): Promise<void> {
    if (this.ready && this.list.complete) return Promise.resolve();
    this.#underway ??= this.#page(limit);
    return this.#underway;
  }

  /** Read the next page of newer photos, where the timeline was opened in its middle. */
  async newer(): Promise<void> {
    const { list } = this;
    if (!this.ready || list.fromTop || this.#newerUnderway) return;
    const generation = this.#generation;
    this.#newerUnderway = true;
    try {
      const page = await node.photos(this.filter, list.newer, FIRST_PAGE, "newer");
      if (generation === this.#generation) this.list = withNewer(this.list, page);
    } catch {
      // Scrolling asks again.
    } finally {
      if (generation === this.#generation) this.#newerUnderway = false;
    }
  }

  /** Page on until a moment of the timeline is in, within bounds. */
  async seek(moment: string): Promise<void> {
    for (let page = 0; page < SEEK_PAGES_MAX && !reaches(this.list, moment); page++) {
      await this.more(LATER_PAGE);
      if (this.failed) return;
    }
  }

  /** The node says that these photos may be others now. */
  touch(ids: readonly string[]): void {
    for (const id of ids) this.#changed.add(id);
    this.#readChanged();
    this.#count();
  }

  /** Anything may be different: read again what is shown. */
  refresh(): void {
    this.#readAgain();
    this.#count();
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
      this.list = withPage(this.ready ? this.list : emptyOf(this.filter), page);
      this.ready = true;
      this.failed = false;
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error instanceof Refusal && error.wrong !== null) this.wrong = error;
      else this.failed = true;
    } finally {
      if (generation === this.#generation) {
        this.loading = false;
        this.#underway = null;
      }
    }
  }

  async #months(): Promise<void> {
    const { q } = this.filter;
    try {
      const { months, count } = await node.timeline(q);
      if (q !== this.filter.q) return;
      this.months = isByTime(q) ? months : [];
      this.total = count;
      this.#counted = q;
    } catch {
      // The list tells what is wrong.
    }
  }

  async #takeChanged(): Promise<void> {
    const ids = [...this.#changed];
    this.#changed.clear();
    if (ids.length === 0 || !this.ready) return;
    if (ids.length > CHANGED_MAX || plainOf(this.filter.q) === null) {
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
      // A list that was opened in its middle begins again at its newest photo.
      const [first] = this.list.items;
      const top = this.list.fromTop ? null : ((first && momentOf(first)) ?? this.filter.at);
      let fresh: PhotoList = { ...EMPTY, newer: this.list.newer, fromTop: this.list.fromTop };
      do {
        const page = await node.photos({ ...this.filter, at: top }, fresh.next, LATER_PAGE);
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
