/**
 * The node's event stream, kept open for as long as the page lives. The browser reconnects by itself
 * and tells the node which event it saw last; where it gives up, a new stream is opened after a
 * growing pause, and since nothing then says what was missed, listeners are told of a gap.
 */

import { API } from "./client.ts";
import { NODE_EVENT_NAMES, type NodeEventName, type NodeEvents } from "./types.ts";

export type NodeEvent = {
  [Name in NodeEventName]: { name: Name; data: NodeEvents[Name] };
}[NodeEventName];

export interface StreamListener {
  event(event: NodeEvent): void;
  /** The stream is open (again), or it is not. */
  open(isOpen: boolean): void;
}

/** The part of EventSource that is used; tests bring their own. */
export interface Source {
  readyState: number;
  onopen: ((event: Event) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

const CLOSED = 2;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 10_000;

/** Read one event; null if it is not one this page knows. */
export function decodeEvent(name: NodeEventName, text: string): NodeEvent | null {
  try {
    const data: unknown = text === "" ? {} : JSON.parse(text);
    return typeof data === "object" && data !== null ? ({ name, data } as NodeEvent) : null;
  } catch {
    return null;
  }
}

/** Open the stream; the returned function ends it. */
export function openStream(
  listener: StreamListener,
  connect: (url: string) => Source = (url) => new EventSource(url),
): () => void {
  let source: Source | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pauseMs = PAUSE_MIN_MS;
  let first = true;
  let ended = false;

  function start(): void {
    const fresh = connect(`${API}/events`);
    source = fresh;
    fresh.onopen = () => {
      pauseMs = PAUSE_MIN_MS;
      listener.open(true);
      if (!first) listener.event({ name: "gap", data: {} });
      first = false;
    };
    fresh.onerror = () => {
      listener.open(false);
      if (fresh.readyState !== CLOSED || ended) return;
      fresh.close();
      timer = setTimeout(start, pauseMs);
      pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
    };
    for (const name of NODE_EVENT_NAMES) {
      fresh.addEventListener(name, (message) => {
        const event = decodeEvent(name, message.data);
        if (event !== null) listener.event(event);
      });
    }
  }

  start();
  return () => {
    ended = true;
    clearTimeout(timer);
    source?.close();
  };
}
