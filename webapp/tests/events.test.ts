import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { decodeEvent, openStream, type NodeEvent, type Source } from "../src/api/events.ts";

/** A stream in memory: what a browser's EventSource does, driven by the test. */
class MemorySource implements Source {
  readyState = 0;
  onopen: Source["onopen"] = null;
  onerror: Source["onerror"] = null;
  readonly #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(name, listener);
  }
  close(): void {
    this.readyState = 2;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
  }
  fail(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.(new Event("error"));
  }
  say(name: string, data: string): void {
    this.#listeners.get(name)?.({ data } as MessageEvent<string>);
  }
}

function stream() {
  const sources: MemorySource[] = [];
  const heard: (NodeEvent["name"] | boolean)[] = [];
  const close = openStream(
    { event: (event) => heard.push(event.name), open: (isOpen) => heard.push(isOpen) },
    () => sources[sources.push(new MemorySource()) - 1]!,
  );
  return { sources, heard, close };
}

describe("the stream", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("passes on events by name, and drops what is none", () => {
    const { sources, heard } = stream();
    sources[0]!.open();
    sources[0]!.say("photos", '{"ids":["a"],"local":true}');
    sources[0]!.say("photos", "{broken");
    sources[0]!.say("peer", '{"id":"b","connected":true}');
    expect(heard).toEqual([true, "photos", "peer"]);
  });

  test("tells of a gap after the browser reconnected by itself", () => {
    const { sources, heard } = stream();
    sources[0]!.open();
    sources[0]!.fail(0);
    sources[0]!.open();
    expect(sources).toHaveLength(1);
    expect(heard).toEqual([true, false, true, "gap"]);
  });

  test("is opened again after a growing pause where the browser gives up", () => {
    const { sources, heard } = stream();
    sources[0]!.fail(2);
    vi.advanceTimersByTime(499);
    expect(sources).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(sources).toHaveLength(2);
    sources[1]!.fail(2);
    vi.advanceTimersByTime(999);
    expect(sources).toHaveLength(2);
    vi.advanceTimersByTime(1);
    sources[2]!.open();
    expect(heard).toEqual([false, false, true]);
  });

  test("that is closed stays closed", () => {
    const { sources, close } = stream();
    sources[0]!.fail(2);
    close();
    vi.advanceTimersByTime(60_000);
    expect(sources).toHaveLength(1);
  });
});

test("an event without data is an empty one", () => {
  expect(decodeEvent("gap", "")).toEqual({ name: "gap", data: {} });
  expect(decodeEvent("gap", "7")).toBeNull();
});
