import { describe, expect, test } from "vitest";

import { EVERYTHING } from "../src/route.ts";
import {
  compare,
  EMPTY,
  holds,
  needsPlace,
  neighbours,
  type PhotoList,
  reaches,
  withNewer,
  withPage,
  withPhotos,
} from "../src/state/photo-list.ts";
import { photo, shoot } from "./photos.ts";

const at = (minute: number): string => `2024-05-17T09:${String(minute).padStart(2, "0")}:00.000`;
const open = (...minutes: number[]): PhotoList => ({
  items: minutes.map((minute) => photo(`p${minute}`, { taken: at(minute) })),
  next: "cursor",
  complete: false,
  newer: null,
  fromTop: true,
});
const ids = (list: PhotoList): string[] => list.items.map((each) => each.id);

describe("pages", () => {
  test("follow each other, and the last one completes the list", () => {
    const all = shoot(25);
    const first = withPage(EMPTY, { items: all.slice(0, 10), next: "a" });
    const second = withPage(first, { items: all.slice(10, 20), next: "b" });
    expect(second.complete).toBe(false);
    const third = withPage(second, { items: all.slice(20), next: null });
    expect(third).toEqual({ ...EMPTY, items: all, complete: true });
  });

  test("that overlap show each photo once, as last read", () => {
    const list = withPage(open(30, 20), {
      items: [photo("p20", { taken: at(20), rating: 5 }), photo("p10", { taken: at(10) })],
      next: null,
    });
    expect(ids(list)).toEqual(["p30", "p20", "p10"]);
    expect(list.items[1]!.rating).toBe(5);
  });
});

describe("a change on another node", () => {
  test("is shown in place", () => {
    const list = withPhotos(
      open(30, 20, 10),
      [photo("p20", { taken: at(20), rating: 4 })],
      [],
      EVERYTHING,
    );
    expect(list.items.map((each) => each.rating)).toEqual([null, 4, null]);
  });

  test("brings a new photo to its place in time", () => {
    const list = withPhotos(open(30, 20, 10), [photo("new", { taken: at(25) })], [], EVERYTHING);
    expect(ids(list)).toEqual(["p30", "new", "p20", "p10"]);
  });

  test("behind the end of what is paged in waits for its page", () => {
    const late = photo("late", { taken: at(1) });
    expect(ids(withPhotos(open(30, 20), [late], [], EVERYTHING))).toEqual(["p30", "p20"]);
    const complete = { ...open(30, 20), complete: true };
    expect(ids(withPhotos(complete, [late], [], EVERYTHING))).toEqual(["p30", "p20", "late"]);
  });

  test("takes a photo out of a filter that it does not fit any more", () => {
    const filter = { ...EVERYTHING, q: "rating>=3" };
    const worse = photo("p20", { taken: at(20), rating: 1 });
    expect(ids(withPhotos(open(30, 20), [worse], [], filter))).toEqual(["p30"]);
  });

  test("is not put in where only the node can judge the filter", () => {
    const found = photo("new", { taken: at(25) });
    const filter = { ...EVERYTHING, q: "harbour" };
    expect(ids(withPhotos(open(30, 20), [found], [], filter))).toEqual(["p30", "p20"]);
  });

  test("may remove a photo", () => {
    expect(ids(withPhotos(open(30, 20), [], ["p30"], EVERYTHING))).toEqual(["p20"]);
  });

  test("of many photos in any order ends in the order of the timeline", () => {
    const all = shoot(300).sort(compare);
    const half = all.filter((_, index) => index % 2 === 0);
    const rest = all.filter((_, index) => index % 2 === 1).reverse();
    const list = withPhotos({ ...EMPTY, items: half, complete: true }, rest, [], EVERYTHING);
    expect(list.items).toEqual(all);
  });
});

describe("photos without a date", () => {
  const undated = photo("undated", { taken: null });

  test("never move the dated ones around them", () => {
    const list = { ...open(30, 10), items: [undated, ...open(30, 10).items] };
    const result = withPhotos(list, [photo("new", { taken: at(20) })], [], EVERYTHING);
    expect(ids(result)).toEqual(["undated", "p30", "new", "p10"]);
  });

  test("that are new are placed by the node alone", () => {
    expect(needsPlace(open(30), [undated])).toBe(true);
    expect(needsPlace({ ...open(30), items: [undated] }, [undated])).toBe(false);
    expect(ids(withPhotos(open(30), [undated], [], EVERYTHING))).toEqual(["p30"]);
  });
});

describe("neighbours", () => {
  test("are those beside the photo", () => {
    const list = open(30, 20, 10);
    const { newer, older } = neighbours(list, list.items[1]!);
    expect([newer?.id, older?.id]).toEqual(["p30", "p10"]);
    expect(neighbours(list, list.items[0]!).newer).toBeNull();
  });

  test("are still known for a photo that fell out of the filter", () => {
    const { newer, older } = neighbours(open(30, 10), photo("gone", { taken: at(20) }));
    expect([newer?.id, older?.id]).toEqual(["p30", "p10"]);
  });

  test("are not guessed beyond what is paged in", () => {
    const far = photo("far", { taken: at(1) });
    expect(neighbours(open(30, 10), far)).toEqual({ newer: null, older: null });
    expect(neighbours({ ...open(30, 10), complete: true }, far).newer?.id).toBe("p10");
  });
});

test("a list reaches a date when something older is in it", () => {
  expect(reaches(open(30, 20), at(25))).toBe(true);
  expect(reaches(open(30, 20), at(5))).toBe(false);
  expect(reaches({ ...open(30), complete: true }, at(5))).toBe(true);
});

describe("a timeline that was opened in its middle", () => {
  const middle = { ...open(20, 10), fromTop: false };

  test("grows at its top, by pages that come oldest first", () => {
    const page = { items: [photo("p30", { taken: at(30) }), photo("p40", { taken: at(40) })] };
    const list = withNewer(middle, { ...page, next: "c" });
    expect([ids(list), list.newer, list.fromTop]).toEqual([
      ["p40", "p30", "p20", "p10"],
      "c",
      false,
    ]);
    expect(withNewer(list, { items: [], next: null }).fromTop).toBe(true);
  });

  test("takes in no photo that is newer than what is paged in", () => {
    const fresh = [photo("new", { taken: at(30) }), photo("mid", { taken: at(15) })];
    expect(ids(withPhotos(middle, fresh, [], EVERYTHING))).toEqual(["p20", "mid", "p10"]);
  });

  test("knows which months begin in it", () => {
    const dated = (id: string, taken: string) => photo(id, { taken });
    const items = [dated("a", "2020-06-09T08:00:00"), dated("b", "2020-04-01T08:00:00")];
    const list = { ...EMPTY, items, fromTop: false };
    expect(
      ["2020-07", "2020-06", "2020-05", "2020-04", "2020-03"].map((m) => holds(list, m)),
    ).toEqual([false, true, true, true, false]);
    expect(holds({ ...list, fromTop: true, complete: true }, "2021-01")).toBe(true);
  });
});

test("a photo that goes into the trash leaves the timeline, but not a search for the trash", () => {
  const trashed = photo("p20", { taken: at(20), trashed: true });
  expect(ids(withPhotos(open(30, 20), [trashed], [], EVERYTHING))).toEqual(["p30"]);
  const trash = { ...EVERYTHING, q: "is:trashed" };
  expect(ids(withPhotos(open(30, 20), [trashed], [], trash))).toEqual(["p30", "p20"]);
});

describe("photos without a date, added at a known moment,", () => {
  const added = (id: string, moment: string) => photo(id, { taken: null, added: moment });
  const import20 = added("undated", `${at(20)}Z`);

  test("are placed where they were added", () => {
    expect(needsPlace(open(30, 10), [import20])).toBe(false);
    expect(ids(withPhotos(open(30, 10), [import20], [], EVERYTHING))).toEqual([
      "p30",
      "undated",
      "p10",
    ]);
  });

  test("tell how far a list reaches", () => {
    const items = [added("a", "2020-06-09T08:00:00.000Z"), added("b", "2020-04-01T08:00:00.000Z")];
    const list = { ...EMPTY, items, fromTop: false };
    expect(["2020-07", "2020-06", "2020-05", "2020-03"].map((m) => holds(list, m))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
