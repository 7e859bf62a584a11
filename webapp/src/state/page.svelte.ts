/**
 * Everything the page knows, put together in one place: where it is, the node, the timeline, the
 * photo that is open, the conflicts. Views get it from the context and change it through methods.
 */

import { getContext, setContext } from "svelte";

import { node, Refusal } from "../api/client.ts";
import { valueWords } from "../format.ts";
import type { NodeEvent } from "../api/events.ts";
import type { Chosen, ConflictPage, Edit, PhotoDetail, Resolution } from "../api/types.ts";
import { albumQuery } from "../query.ts";
import { EVERYTHING, hashOf, parseHash, type Filter, type Route } from "../route.ts";
import { Acts } from "./acts.svelte.ts";
import { Albums } from "./albums.svelte.ts";
import { editedDetail, editedSummary } from "./edits.ts";
import { Library } from "./library.svelte.ts";
import { newsOf } from "./news.ts";
import { Moving } from "./moving.svelte.ts";
import { Notices } from "./notices.svelte.ts";
import { paced } from "./pace.ts";
import { momentOf } from "./photo-list.ts";
import { Previews } from "./previews.svelte.ts";
import { Selection } from "./selection.svelte.ts";
import { Session } from "./session.svelte.ts";
import { Storage } from "./storage.svelte.ts";

/** Conflicts that are read at a time. */
const CONFLICTS_PAGE = 100;
const KEY = Symbol("page");

export class Page {
  readonly session = new Session();
  readonly library = new Library();
  readonly notices = new Notices();
  readonly previews = new Previews();
  readonly albums = new Albums(this.notices);
  readonly selection = new Selection();
  readonly moving = new Moving(this.session, this.notices);
  readonly storage = new Storage(this.session, this.notices);
  readonly acts = new Acts(this.notices, () => this.#changed());

  /** It moves whenever lists other than the timeline, such as the history, may be others. */
  news = $state(0);
  route = $state.raw<Route>({ view: "library", filter: EVERYTHING });
  /** The open photo; null while it is read. */
  photo = $state.raw<PhotoDetail | null>(null);
  /** Why the open photo cannot be shown. */
  photoRefusal = $state.raw<Refusal | null>(null);
  /** The conflicts as far as they were read, null before the first answer. */
  conflicts = $state.raw<ConflictPage | null>(null);
  /** The view from which the open photo was opened; null if the address was its own way in. */
  openedFrom = $state.raw<Route["view"] | null>(null);

  #readPhoto = paced(() => this.#photo(), 150);
  #readConflicts = paced(() => this.#conflicts(), 500);
  #filter: Filter = EVERYTHING;
  #edits = 0;

  start(): () => void {
    const moved = (): void => this.#arrive(parseHash(location.hash));
    window.addEventListener("hashchange", moved);
    this.session.on((event) => this.#take(event));
    const stop = this.session.start();
    this.albums.refresh();
    moved();
    this.openedFrom = null;
    return () => {
      window.removeEventListener("hashchange", moved);
      stop();
    };
  }

  /**
   * Go somewhere; with `replace` the browser's back button skips where one was. The page is there
   * when this returns: the next key must not mean the photo before.
   */
  go(route: Route, replace = false): void {
    if (replace) history.replaceState(null, "", hashOf(route));
    else history.pushState(null, "", hashOf(route));
    this.#arrive(route);
  }

  /** Leave the open photo for where one came from. */
  leavePhoto(): void {
    if (this.openedFrom !== null) history.back();
    else this.go({ view: "library", filter: this.#filter }, true);
  }

  /** Show the photos of another query, or another place of the timeline. */
  filtered(filter: Filter): void {
    this.go({ view: "library", filter }, true);
  }

  /** What lists an album, "" if there is none with this id. */
  queryOfAlbum(id: string): string {
    const album = this.albums.items.find((each) => each.id === id);
    return album ? albumQuery(album, this.albums.items) : "";
  }

  /** Values of a field in words; albums by their names. */
  nameAlbums(field: string, values: unknown): string {
    if (field !== "albums" || !Array.isArray(values)) return valueWords(field, values);
    const name = (id: unknown): string =>
      this.albums.items.find((album) => album.id === id)?.name ?? "a deleted album";
    return values.map(name).join(", ");
  }

  /** Whether the timeline shows what is in the trash. */
  get inTrash(): boolean {
    return /(^|\s)is:trashed(\s|$)/i.test(this.library.filter.q);
  }

  /** The act on what is selected; nothing is selected afterwards. */
  async actOnSelection(act: (chosen: Chosen) => Promise<boolean>): Promise<void> {
    if (this.selection.any && (await act(this.selection.chosen(this.#filter.q)))) {
      this.selection.clear();
    }
  }

  hashOfPhoto(id: string): string {
    return hashOf({ view: "photo", id, filter: this.#filter });
  }

  get hashOfLibrary(): string {
    return hashOf({ view: "library", filter: this.#filter });
  }

  /** Change fields of a photo. It shows at once and is taken back if the node refuses. */
  async edit(id: string, edit: Edit): Promise<boolean> {
    this.#edits += 1;
    if (this.photo?.id === id) this.photo = editedDetail(this.photo, edit);
    const summary = this.library.find(id);
    if (summary) this.library.put(editedSummary(summary, edit));
    try {
      await node.edit(id, edit);
      return true;
    } catch (error) {
      this.notices.failed("The edit was not taken", error);
      return false;
    } finally {
      this.#touched([id]);
    }
  }

  /** Settle a contested field. */
  async resolve(id: string, resolution: Resolution): Promise<void> {
    try {
      await node.resolve(id, resolution);
    } catch (error) {
      this.notices.failed("The conflict was not settled", error);
    }
    this.#touched([id]);
  }

  #arrive(route: Route): void {
    const before = this.route;
    if (route.view === "photo" && before.view !== "photo") this.openedFrom = before.view;
    this.route = route;
    if (route.view === "library" || route.view === "photo") {
      if (route.filter.q !== this.#filter.q) this.selection.clear();
      this.#filter = route.filter;
      this.library.show(route.filter);
    } else if (!this.library.ready) {
      this.library.show(this.#filter);
    }
    if (route.view === "photo" && !(before.view === "photo" && before.id === route.id)) {
      this.photo = null;
      this.photoRefusal = null;
      void this.#photo();
    }
    if (route.view === "conflicts") this.#readConflicts();
    if (route.view === "nodes") this.session.refresh();
  }

  #take(event: NodeEvent): void {
    const news = newsOf(event);
    if (news === null) return;
    if (news.photos === "all") {
      this.previews.retry();
      this.#changed();
    } else if (news.photos.length > 0) this.#touched(news.photos);
    if (news.photos.length === 0) this.news += 1;
    if (news.albums) {
      this.albums.refresh();
      // What is in an album is what its search finds now.
      if (/\balbum/i.test(this.library.filter.q)) this.library.refresh();
    }
  }

  /** Anything may be different. */
  #changed(): void {
    this.news += 1;
    this.library.refresh();
    this.albums.refresh();
    this.#readPhoto();
    this.#readConflicts();
  }

  #touched(ids: readonly string[]): void {
    this.news += 1;
    this.library.touch(ids);
    this.previews.retry(ids);
    if (this.route.view === "photo" && ids.includes(this.route.id)) this.#readPhoto();
    if (this.route.view === "conflicts") this.#readConflicts();
  }

  async #photo(): Promise<void> {
    if (this.route.view !== "photo") return;
    const { id } = this.route;
    const edits = this.#edits;
    const isStillOpen = (): boolean => this.route.view === "photo" && this.route.id === id;
    try {
      const photo = await node.photo(id);
      // An answer from before an edit would show the old value once more; a newer one follows.
      if (!isStillOpen() || edits !== this.#edits) return;
      this.photo = photo;
      this.photoRefusal = null;
      const moment = momentOf(photo);
      if (moment !== null && !this.library.find(id)) await this.library.seek(moment);
    } catch (error) {
      if (isStillOpen() && error instanceof Refusal) this.photoRefusal = error;
    }
  }

  /** Read on where the list of conflicts ends. */
  async moreConflicts(): Promise<void> {
    const before = this.conflicts;
    if (before === null || before.next === null) return;
    try {
      const page = await node.conflicts(before.next, CONFLICTS_PAGE);
      const known = new Set(before.items.map(({ photo, field }) => `${photo.id} ${field}`));
      const fresh = page.items.filter(({ photo, field }) => !known.has(`${photo.id} ${field}`));
      if (this.conflicts === before) {
        this.conflicts = { items: [...before.items, ...fresh], next: page.next };
      }
    } catch (error) {
      this.notices.failed("The conflicts cannot be read", error);
    }
  }

  async #conflicts(): Promise<void> {
    if (this.route.view !== "conflicts") return;
    try {
      this.conflicts = await node.conflicts(null, CONFLICTS_PAGE);
    } catch (error) {
      if (error instanceof Refusal) this.notices.failed("The conflicts cannot be read", error);
    }
  }
}

export function providePage(page: Page): void {
  setContext(KEY, page);
}

export function usePage(): Page {
  return getContext<Page>(KEY);
}
