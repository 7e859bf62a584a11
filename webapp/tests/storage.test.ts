/** What the page says of room, of what leaves, of pins, copies, and photos as files. */

import { describe, expect, test } from "vitest";

import { Refusal } from "../src/api/client.ts";
import type {
  Buffer,
  Eviction,
  Evictions,
  Exporter,
  Redundancy,
  Tree,
} from "../src/api/storage.ts";
import type { Act, Peer } from "../src/api/types.ts";
import * as room from "../src/state/buffer.ts";
import * as copies from "../src/state/copies.ts";
import * as files from "../src/state/exports.ts";
import { modeWords } from "../src/state/modes.ts";
import * as pins from "../src/state/pins.ts";
import { Reading } from "../src/state/reading.svelte.ts";

const BUFFER: Buffer = {
  state: "calm",
  used_bytes: 40e9,
  size_bytes: 100e9,
  high_bytes: 85e9,
  low_bytes: 70e9,
  rate_bytes_s: 0,
  full_in_s: null,
  may_go_bytes: 0,
  evicts: true,
  evicted: 0,
  evicted_bytes: 0,
  promised: 0,
};
const ATTIC_ID = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
const ATTIC = {
  id: ATTIC_ID,
  name: "attic",
  role: "archive",
  link: "none",
  last_seen: "2026-05-01T10:00:00Z",
} as Peer;
const NOW = new Date("2026-05-01T13:00:00Z");
const ONE: Eviction = {
  photo: "ab".repeat(32),
  name: "DSC_1.NEF",
  bytes: 3e7,
  reason: "seems-safe",
  lacks: "",
  nodes: ["studio", "attic"],
};
const PLAN: Evictions = {
  to_free_bytes: 1e9,
  going: [ONE],
  staying: [],
  going_bytes: 3e7,
  is_done: false,
};
const STAYS: Eviction = { ...ONE, reason: "too-few-promises", lacks: `${ATTIC_ID} says: damaged` };

describe("the buffer", () => {
  test("is good news, a warning or bad news, and the forecast is in it", () => {
    const said = (more: Partial<Buffer>, plan: Evictions | null = null) =>
      room.bufferWords({ ...BUFFER, ...more }, plan);
    expect(said({}).headline).toBe("There is room.");
    expect(said({}).detail).toContain("At 85.0 GB");
    expect(said({ evicts: false }).detail).toContain("keeps every original");
    const filling = said({ state: "filling", full_in_s: 10_800 });
    expect([filling.tone, filling.detail.slice(0, 21)]).toEqual(["warn", "Full in about 3 hours"]);
    expect(said({ state: "stuck" }).tone).toBe("bad");
    expect(said({ state: "full" }).headline).toContain("new photos wait");
    expect(said({ state: "evicting" }).detail).toContain("Previews stay");
  });

  test("that fills up with what may all go is no warning", () => {
    const filling = { ...BUFFER, state: "filling" as const };
    expect(room.bufferWords(filling, PLAN).tone).toBe("good");
    expect(room.bufferWords(filling, { ...PLAN, staying: [STAYS] }).tone).toBe("warn");
    expect(room.bufferWords(filling, { ...PLAN, going: [] }).tone).toBe("warn");
  });

  test("groups what stays by why, with the names of nodes, the most bytes first", () => {
    const kept = { ...ONE, reason: "wanted-here", lacks: "it is to be here" };
    const told = room.whyTheyStay([kept, STAYS, STAYS], [ATTIC]);
    expect(told.map(({ reason, photos, bytes }) => [reason, photos, bytes])).toEqual([
      ["too-few-promises", 2, 6e7],
      ["wanted-here", 1, 3e7],
    ]);
    expect(told[0]!.lacks).toBe("attic says: damaged");
    expect(room.whyTheyStay([{ ...ONE, reason: "of-tomorrow" }], [])[0]!.words).toBe("of-tomorrow");
  });

  test("names who is in the way: only those whose word counts, and only while they are away", () => {
    expect(room.inTheWay([ATTIC, { ...ATTIC, role: "mobile" }], NOW)).toEqual([
      "attic (archive) is not connected; last seen 3 hours ago.",
    ]);
    expect(room.inTheWay([{ ...ATTIC, link: "lan" }], NOW)[0]).toContain("are all connected");
    expect(room.inTheWay([{ ...ATTIC, role: "mobile" }], NOW)[0]).toContain("No other central");
  });

  test("promises nothing before it is proven, and says what came of it", () => {
    expect(room.mayGoWords(PLAN)).toBe(
      "1 photo, 30.0 MB: others seem to hold it, and are asked to prove it before anything goes.",
    );
    expect(room.mayGoWords({ ...PLAN, going_bytes: 9e9 })).toContain("More than 1 photo, 9.0 GB");
    expect(room.mayGoWords({ ...PLAN, going: [], staying: [STAYS] })).toBe("Nothing may go now.");
    expect(room.wentWords(PLAN)).toBe("1 original went, 30.0 MB. Their previews stay.");
    expect(room.wentWords({ ...PLAN, going: [], staying: [STAYS] })).toContain("nothing was lost");
    expect(room.wentWords({ ...PLAN, to_free_bytes: 0, going: [] })).toContain("Nothing need go");
  });

  test("reads from the audit log who promised", () => {
    const facts = { blob: ONE.photo, bytes: "30000000", promises: "1", [ATTIC_ID]: "c2ln" };
    const entry = { n: 4, at: NOW.toISOString(), act: "blob.evicted", facts, chain: "" };
    expect(room.leftOf(entry, [ATTIC])).toEqual({
      photo: ONE.photo,
      at: NOW.toISOString(),
      bytes: 3e7,
      nodes: ["attic"],
      afterCrash: false,
    });
    const crashed = { ...entry, facts: { blob: "cd", after: "a crash", promises: "0" } };
    expect(room.leftOf(crashed, [])).toMatchObject({ bytes: null, nodes: [], afterCrash: true });
    expect(room.proofWords(["attic"])).toBe("attic read its copy and signed to keep it");
    expect(room.proofWords(["a", "b", "c"])).toBe(
      "a, b and c read their copies and signed to keep them",
    );
    expect(room.proofWords([])).toContain("no promise");
  });

  test.each([
    ["", null],
    ["20GB", 20e9],
    ["500 mb", 5e8],
    ["1.5T", 1.5e12],
    ["100", 100],
  ])("a size is read as the command line reads it: %j", (text, bytes) => {
    expect(room.parseSize(text)).toBe(bytes);
  });

  test.each(["a few", "-1GB", "5 PB", "1e9", "9999999T"])("that is no size: %j", (text) => {
    expect(() => room.parseSize(text)).toThrow("is no size");
  });
});

describe("pins", () => {
  const me = { id: ATTIC_ID, name: "attic", role: "archive" };
  const album = { id: "5e".repeat(16), name: "Iceland", query: null, conflicts: [] };
  const of = (...texts: string[]) =>
    pins.pinsOf(
      {
        rules: texts.map((text) => ({ text, contested: false, photos: 3 })),
        copies: 2,
        least: 1,
      },
      me,
    );

  test("are the rules that keep, those of this node first: by its id, name or role", () => {
    const found = of(
      "where tag:a: keep on laptop",
      "where rating>=3: copies 3, one on archive",
      `where tag:b: keep on ${ATTIC_ID}`,
      "everything: keep on archive",
      "where rating:5: copies 3, keep on attic",
    );
    expect(found.map(({ query, here, more }) => [query, here, more])).toEqual([
      ["tag:b", true, false],
      ["", true, false],
      ["rating:5", true, true],
      ["tag:a", false, false],
    ]);
  });

  test("are written as `photonic pin` writes them, and read back", () => {
    const rule = pins.pinRule(" tag:portfolio ", ATTIC_ID);
    expect(rule).toBe(`where tag:portfolio: keep on ${ATTIC_ID}`);
    expect(of(rule)[0]).toMatchObject({ query: "tag:portfolio", on: ATTIC_ID, here: true });
  });

  test("are named by their album and by the node", () => {
    expect(pins.pinnedWords(`album:${album.id}`, [album])).toBe("The album Iceland");
    expect(pins.pinnedWords(`album:${album.id}`, [])).toBe("An album that was deleted");
    expect(pins.pinnedWords("", [])).toBe("Every photo");
    const [there] = of("where tag:a: keep on 12D3KooWsomebodyelse");
    const laptop = { id: "12D3KooWsomebodyelse", name: "laptop", role: "mobile" };
    expect(pins.keeperWords(there!, [laptop])).toBe("kept on laptop");
    expect(pins.keeperWords({ ...there!, here: true }, [])).toBe("kept on this node");
    expect(pins.photosWords({ ...there!, photos: null })).toContain("cannot read");
  });
});

describe("copies", () => {
  const told: Redundancy = {
    photos: 10,
    min_copies: 2,
    below: 3,
    copies: [
      { copies: 0, photos: 0, bytes: 0 },
      { copies: 1, photos: 3, bytes: 3e7 },
      { copies: 2, photos: 7, bytes: 7e7 },
      { copies: 3, photos: 0, bytes: 0 },
    ],
    roles: [],
    nodes: [],
    awaited: 4,
    awaited_bytes: 1e9,
    unreachable: 0,
    oldest: null,
    overdue: 0,
  };

  test("are shown from none to many, with the query that lists each", () => {
    const lines = copies.copiesLines(told);
    expect(lines.map(({ words, tone, query }) => [words, tone, query])).toEqual([
      ["1 copy", "warn", "copies:1"],
      ["2 copies", "good", "copies:2"],
      ["3 or more copies", "good", "copies>=3"],
    ]);
    expect(lines[0]!.share).toBeCloseTo(0.3);
    const lost = { ...told, copies: [{ copies: 0, photos: 2, bytes: 9 }, ...told.copies.slice(1)] };
    expect(copies.copiesLines(lost)[0]).toMatchObject({
      words: "no copy that counts",
      tone: "bad",
    });
  });

  test("are summed up in a sentence", () => {
    expect(copies.copiesHeadline(told, 3)).toBe("3 photos have fewer than 2 copies.");
    expect(copies.copiesHeadline({ ...told, below: 0 }, 0)).toBe(
      "Every photo has 2 copies or more.",
    );
    expect(copies.copiesHeadline({ ...told, photos: 0, below: 0 }, 0)).toContain("no photo yet");
    expect(copies.copiesHeadline({ ...told, below: 0 }, 9)).toBe(
      "9 photos have fewer copies than the library’s rules want.",
    );
    expect(copies.roleWords({ role: "archive", photos: 3, lacking: 7 })).toBe(
      "On archives: 3 photos; not 7.",
    );
    expect(copies.awaitedWords(told)).toBe("4 originals are wanted here and not here yet, 1.0 GB.");
    expect(copies.awaitedWords({ ...told, unreachable: 4 })).toContain("no node that is connected");
    expect(copies.awaitedWords({ ...told, awaited: 0 })).toBe("");
  });

  test("the calendar forecasts, unless nobody can say", () => {
    const part = {
      begin: "2026-05-02T00:00:00Z",
      end: "2026-05-09T00:00:00Z",
      files: 9,
      bytes: 9e6,
    };
    const calendar = { days: 30, mb_s: 40, parts: [part], all_by: "2026-05-09T00:00:00Z" };
    expect(copies.calendarWords(calendar, false)).toContain("once more by 9 May 2026");
    expect(copies.calendarWords(calendar, true)).toContain("paused");
    expect(copies.calendarWords({ ...calendar, days: 0 }, false)).toContain("scrub_days");
    expect(copies.calendarWords({ ...calendar, parts: [] }, false)).toBe("");
    expect(copies.partWords(part)).toEqual({ when: "By 9 May 2026", what: "9 files, 9.0 MB" });
    expect(copies.partWords({ ...part, end: part.begin }).when).toBe("Due now");
    expect(copies.isTooSlow(calendar)).toBe(false);
    expect(copies.isTooSlow({ ...calendar, all_by: "2026-05-30T00:00:00Z" })).toBe(true);
  });
});

describe("photos as files", () => {
  const tree: Tree = {
    folder: "/srv/tree",
    template: "",
    state: "ready",
    originals: 1,
    sidecars: 2,
    left: 0,
    taken_in: 0,
  };
  const nfs: Exporter = {
    kind: "ganesha",
    state: "serving",
    address: "0.0.0.0:2049/photos",
    user: "photonic-nfs",
    rules: ["192.168.1.0/24 rw"],
    restarts: 0,
    changed: false,
  };

  test("are mounted where this machine is reached, and nowhere else", () => {
    const listen = ["/ip4/127.0.0.1/tcp/4310/p2p/x", "/ip4/192.168.1.5/tcp/4310/p2p/x"];
    const reached = ["localhost", ...files.hostsOf(listen)];
    const mount = (address: string, hosts = reached) =>
      files.mountCommand({ ...nfs, address }, hosts);
    expect(mount(nfs.address)).toBe(
      "sudo mount -t nfs4 -o vers=4.2 192.168.1.5:/photos /mnt/photos",
    );
    expect(mount("10.0.0.1:2050/photos")).toContain("vers=4.2,port=2050 10.0.0.1:/photos");
    expect(mount("0.0.0.0:2049/photos", ["localhost"])).toContain(" THIS-MACHINE:/photos");
    expect(mount("/srv/tree")).toContain(" 192.168.1.5:/srv/tree ");
    expect(mount("[fd00::5]:2049/photos")).toContain(" [fd00::5]:/photos ");
    expect(files.isLocal({ ...nfs, address: "127.0.0.1:2049/photos" })).toBe(true);
    expect(files.isLocal(nfs)).toBe(false);
  });

  test("say how they are", () => {
    expect(files.treeWords({ ...tree, state: "building", left: 4 })).toContain("4 to look at");
    expect(files.treeWords({ ...tree, state: "failed" })).toContain("told below");
    expect(files.countsWords(tree)).toBe("1 photo and 2 sidecars");
    expect(files.exporterWords(nfs)).toBe("NFS is ready to be mounted.");
    expect(files.exporterWords({ ...nfs, rules: [] })).toContain("nobody may mount it");
    expect(files.exporterWords({ ...nfs, state: "waiting" })).toContain("started again");
  });

  test("have rules that a person reads; one client has one rule", () => {
    expect(files.ruleWords("192.168.1.0/24 rw on central")).toEqual({
      text: "192.168.1.0/24 rw on central",
      client: "the network 192.168.1.0/24",
      may: "reads photos and writes sidecars, while this node is central",
    });
    expect(files.ruleWords("10.0.0.7 ro").may).toBe("reads only");
    expect(files.withRule(nfs.rules, " 192.168.1.0/24 ", "ro")).toEqual(["192.168.1.0/24 ro"]);
    expect(files.withRule(nfs.rules, "10.0.0.7", "ro")).toHaveLength(2);
  });

  test("their problems and what was written back are found among others", () => {
    const problem = { code: "tree.taken", message: "", fix: "", path: null };
    const sidecar = { ...problem, code: "ingest.sidecar-invalid", path: "/srv/tree/a.jpg.xmp" };
    const other = { ...problem, code: "ingest.file-empty", path: "/srv/trees/a.jpg" };
    expect(files.treeProblems([problem, sidecar, other], tree)).toEqual([problem, sidecar]);
    const act = { fields: ["rating", "sidecar/darktable"] } as Act;
    expect(files.writeBacks([act, { ...act, fields: ["rating"] }])).toEqual([act]);
    expect(files.changedWords(act)).toBe("rating");
    expect(files.changedWords({ ...act, fields: ["sidecar/darktable"] })).toContain("own steps");
  });
});

test("a mode says why, and what it does to new photos", () => {
  expect(modeWords("home", "mobile").why).toContain("on this network");
  expect(modeWords("home", "central").why).toContain("This is a central node");
  for (const mode of ["roaming", "sync", "archive"]) {
    expect(modeWords(mode, "mobile").does).not.toBe("");
  }
  expect(modeWords("of-tomorrow", "mobile").why).toContain("older than the node");
});

test("a refusal stands beside what was read before it, until there is an answer again", async () => {
  const refusal = new Refusal(503, "index.unreadable", "it is being made", "Wait.");
  const answers: (() => number)[] = [
    () => 1,
    () => {
      throw refusal;
    },
    () => 2,
  ];
  const reading = new Reading(async () => answers.shift()!(), 0);
  const next = async (): Promise<unknown[]> => {
    reading.again();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [reading.value, reading.refusal];
  };
  expect(await next()).toEqual([1, null]);
  expect(await next()).toEqual([1, refusal]);
  expect(await next()).toEqual([2, null]);
});
