import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Transfer } from "../src/api/moving.ts";
import type { ImportRun } from "../src/api/types.ts";
import { ratingOfKey, toggled } from "../src/rating.ts";
import { contestedFields, editedDetail, editedSummary, textOf } from "../src/state/edits.ts";
import { mapBounded, paced } from "../src/state/pace.ts";
import { catalogWork, share, withImport, withProgress } from "../src/state/transfers.ts";
import { detailed } from "./photos.ts";

describe("transfers", () => {
  const moving: Transfer = {
    blob: "a",
    name: "a.nef",
    state: "fetching",
    done_bytes: 1,
    total_bytes: 10,
    rate_bytes_s: 5,
    peers: ["yoda"],
  };
  const told = (blob: string, done_bytes: number, total_bytes = 10) => ({
    blob,
    name: `${blob}.nef`,
    done_bytes,
    total_bytes,
  });

  test("move on, keeping what the event does not tell", () => {
    expect(withProgress([moving], told("a", 4))).toEqual([{ ...moving, done_bytes: 4 }]);
  });

  test("appear when they begin and go when they are complete", () => {
    const both = withProgress([moving], told("b", 2));
    expect(both.map((transfer) => transfer.blob)).toEqual(["a", "b"]);
    expect(withProgress(both, told("a", 10)).map((transfer) => transfer.blob)).toEqual(["b"]);
    expect(withProgress([], told("c", 10))).toEqual([]);
  });

  test("tell their pace where the node tells it", () => {
    const pace = { state: "landing", rate_bytes_s: 7, eta_s: null };
    expect(withProgress([moving], { ...told("a", 4), ...pace })).toEqual([
      { ...moving, done_bytes: 4, ...pace },
    ]);
    expect(withProgress([], { ...told("b", 4), ...pace })[0]).toMatchObject(pace);
  });

  test("of unknown size count as not begun", () => {
    expect([share(5, 0), share(5, 10), share(20, 10)]).toEqual([0, 0.5, 1]);
    expect(withProgress([], told("c", 0, 0))).toHaveLength(1);
  });
});

test("an import is shown once, as it was told last", () => {
  const run = (folder: string, imported: number): ImportRun => {
    return { folder, found: 9, imported, known: 0, failed: 0, finished: false };
  };
  const runs = withImport(withImport([run("/a", 1)], run("/b", 1)), run("/a", 5));
  expect(runs.map(({ folder, imported }) => [folder, imported])).toEqual([
    ["/b", 1],
    ["/a", 5],
  ]);
});

describe("an edit", () => {
  const version = { change: "1", value: 4, author: "n", at: null };
  const contested = { value: 4, contested: true, versions: [version, { ...version, value: 2 }] };

  test("settles the contested field that it writes, and no other", () => {
    const before = detailed("a", {
      conflicts: ["rating", "title"],
      fields: { rating: contested, title: { ...contested, value: "x" } },
    });
    const after = editedDetail(before, { rating: 5 });
    expect(after.rating).toBe(5);
    expect(after.conflicts).toEqual(["title"]);
    expect(contestedFields(after)).toEqual(["title"]);
    expect(before.fields["rating"]!.contested).toBe(true);
  });

  test("adds and removes tags once each", () => {
    const before = detailed("a", { tags: ["coast", "snow"] });
    const after = editedDetail(before, { tags: { add: ["alps", "coast"], remove: ["snow"] } });
    expect(after.tags).toEqual(["alps", "coast"]);
    expect(after.fields).toEqual({});
  });

  test("leaves what it does not name", () => {
    const before = detailed("a", { rating: 3, title: "Harbour" });
    expect(editedDetail(before, { label: "red" })).toMatchObject({
      rating: 3,
      title: "Harbour",
      label: "red",
    });
  });

  test("shows in the grid what it shows in the photo", () => {
    const before = detailed("a", { rating: 1, conflicts: ["rating"] });
    const edit = { rating: null, title: "Harbour", caption: "Low tide" };
    const after = editedSummary(before, edit);
    expect([after.rating, after.title, after.conflicts]).toEqual([null, "Harbour", []]);
    expect(after).not.toHaveProperty("caption");
    expect(textOf(editedDetail(before, edit), "caption")).toBe("Low tide");
    expect(textOf(editedDetail(before, edit), "rating")).toBe("");
  });

  test("the rating comes first among contested fields", () => {
    const fields = { title: contested, gps: contested, rating: contested };
    expect(contestedFields(detailed("a", { fields }))).toEqual(["rating", "title", "gps"]);
  });
});

test("keys are ratings, and the star that is lit goes out", () => {
  expect(["0", "5", "x", "X", "6", "a", "ArrowUp"].map(ratingOfKey)).toEqual([
    0,
    5,
    -1,
    -1,
    null,
    null,
    null,
  ]);
  expect([toggled(3, 3), toggled(3, 4), toggled(null, 1)]).toEqual([0, 4, 1]);
});

describe("pace", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("a burst becomes one call at once and one at the end", async () => {
    let calls = 0;
    const call = paced(() => void calls++, 100);
    for (let at = 0; at < 20; at++) call();
    expect(calls).toBe(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(calls).toBe(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls).toBe(2);
  });

  test("a run never overlaps itself, however often it is called", async () => {
    let running = 0;
    let most = 0;
    const call = paced(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 500));
      running -= 1;
    }, 100);
    for (let at = 0; at < 10; at++) {
      call();
      await vi.advanceTimersByTimeAsync(150);
    }
    expect(most).toBe(1);
  });

  test("what is stopped does not run", async () => {
    let calls = 0;
    const call = paced(() => void calls++, 100);
    call();
    call();
    call.stop();
    await vi.advanceTimersByTimeAsync(500);
    expect(calls).toBe(1);
  });

  test("bounded work keeps its order and its bound", async () => {
    vi.useRealTimers();
    let running = 0;
    let most = 0;
    const doubled = await mapBounded([1, 2, 3, 4, 5, 6, 7], 3, async (value) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running -= 1;
      return value * 2;
    });
    expect(doubled).toEqual([2, 4, 6, 8, 10, 12, 14]);
    expect(most).toBe(3);
  });
});

test("the catalog tells what it is busy with, the index first", () => {
  const idle = { left: 0, of: 256 };
  expect([catalogWork(null), catalogWork({ indexing: idle, syncing: { a: idle } })]).toEqual([
    null,
    null,
  ]);
  const half = { left: 128, of: 256 };
  expect(catalogWork({ indexing: half, syncing: { a: half } })).toEqual({
    words: "Building the index",
    share: 0.5,
  });
  const two = catalogWork({ indexing: idle, syncing: { a: half, b: half, c: idle } });
  expect(two?.words).toBe("Comparing the catalog with 2 nodes");
});
