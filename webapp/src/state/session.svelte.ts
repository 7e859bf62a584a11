/**
 * The node behind the page: its status and its peers, and whether it answers. Status is read on
 * every event (at most once a second); without events only where none tells of a change: now and
 * then, and often while the node does not answer, its events do not come, or it makes its index.
 */

import { node } from "../api/client.ts";
import { openStream, type NodeEvent } from "../api/events.ts";
import type { ImportRun, Peer, Status } from "../api/types.ts";
import { paced } from "./pace.ts";
import { catalogWork, withImport } from "./transfers.ts";

/** A browser opens six connections to a node: pages that nobody looks at must not hold them. */
const HIDDEN_MS = 60_000;
const POLL_MS = 15_000;
const POLL_BUSY_MS = 2_000;

export class Session {
  status = $state.raw<Status | null>(null);
  peers = $state.raw<readonly Peer[]>([]);
  imports = $state.raw<readonly ImportRun[]>([]);
  /** The node answered the last time it was asked. */
  reachable = $state(true);
  /** Events arrive. */
  live = $state(false);
  /** The present moment, for "2 minutes ago"; it moves with every reading. */
  now = $state.raw(new Date());

  #listeners: ((event: NodeEvent) => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #readStatus = paced(() => this.#status(), 700);
  #readPeers = paced(() => this.#peers(), 700);

  /** What a node is called now; null where it is not known here. */
  nameOf(id: string): string | null {
    if (id === this.status?.node.id) return this.status.node.name;
    return this.peers.find((peer) => peer.id === id)?.name ?? null;
  }

  /** Hear of every event of the node, until the returned function is called. */
  on(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((one) => one !== listener);
    };
  }

  /** Begin; the returned function ends everything that was begun. */
  start(): () => void {
    this.refresh();
    let closeStream = this.#listen();
    let hidden: ReturnType<typeof setTimeout> | undefined;
    let asleep = false;
    const looked = (): void => {
      clearTimeout(hidden);
      if (document.visibilityState === "hidden") {
        hidden = setTimeout(() => {
          asleep = true;
          closeStream();
        }, HIDDEN_MS);
      } else if (asleep) {
        asleep = false;
        closeStream = this.#listen();
        this.#take({ name: "gap", data: {} });
      }
    };
    document.addEventListener("visibilitychange", looked);
    return () => {
      this.#ended = true;
      clearTimeout(this.#timer);
      this.#readStatus.stop();
      this.#readPeers.stop();
      clearTimeout(hidden);
      document.removeEventListener("visibilitychange", looked);
      closeStream();
    };
  }

  #listen(): () => void {
    return openStream({
      event: (event) => this.#take(event),
      open: (isOpen) => {
        this.live = isOpen;
        this.#readStatus();
      },
    });
  }

  refresh(): void {
    this.#readStatus();
    this.#readPeers();
  }

  #take(event: NodeEvent): void {
    switch (event.name) {
      case "import":
        this.imports = withImport(this.imports, event.data);
        break;
      case "peer":
      case "gap":
        this.#readPeers();
        break;
    }
    this.#readStatus();
    for (const listener of this.#listeners) listener(event);
  }

  async #status(): Promise<void> {
    try {
      const status = await node.status();
      this.status = status;
      this.imports = status.imports ?? this.imports;
      if (!this.reachable) this.#readPeers();
      this.reachable = true;
    } catch {
      this.reachable = false;
    }
    this.now = new Date();
    clearTimeout(this.#timer);
    if (this.#ended) return;
    const busy =
      !this.reachable || !this.live || catalogWork(this.status?.catalog ?? null) !== null;
    this.#timer = setTimeout(() => this.#poll(), busy ? POLL_BUSY_MS : POLL_MS);
  }

  #poll(): void {
    this.#readStatus();
    if (this.reachable) this.#readPeers();
  }

  async #peers(): Promise<void> {
    try {
      this.peers = (await node.peers()).items;
    } catch {
      // Whether the node answers at all is told by its status.
    }
  }
}
