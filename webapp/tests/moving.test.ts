/** What the page says of what moves, what may move, and what is verified. */

import { describe, expect, test } from "vitest";

import type { Limits, Safety, Scrub, Verification } from "../src/api/moving.ts";
import type { Peer } from "../src/api/types.ts";
import { aboutWait, waitWords } from "../src/format.ts";
import { bothWays, parseRate, showRate } from "../src/rates.ts";
import { draftOf, wantedOf, type LimitsDraft } from "../src/state/limits.ts";
import { pauseWords, safetyWords, transferName } from "../src/state/transfers.ts";
import {
  rhythmWords,
  scrubWarnings,
  verificationWords,
  verifiedWords,
} from "../src/state/verifying.ts";

describe("safety", () => {
  const safety: Safety = {
    min_copies: 2,
    state: "moving",
    photos_at_risk: 312,
    bytes_left: 4.1e9,
    rate_bytes_s: 11.4e6,
    eta_s: 360,
    only_here: 312,
    nowhere: 0,
  };
  const said = (more: Partial<Safety>, peers = 1) => safetyWords({ ...safety, ...more }, peers);

  test("says where the photos are, what is left, and for how long", () => {
    expect(said({})).toEqual({
      headline: "312 photos are on this machine only.",
      detail: "4.1 GB to go, about 6 minutes at the present 11.4 MB/s.",
    });
    expect(said({ photos_at_risk: 1, only_here: 1 })?.headline).toBe(
      "1 photo is on this machine only.",
    );
  });

  test("says of others only what is known", () => {
    expect(said({ only_here: 0 })?.headline).toBe("312 photos are on one other machine only.");
    expect(said({ only_here: 12 })?.headline).toBe(
      "312 photos are on one machine only, 12 of them on this one only.",
    );
    expect(said({ min_copies: 3, only_here: 0 })?.headline).toBe(
      "312 photos are on fewer than 3 machines.",
    );
    const lost = said({ only_here: 5, nowhere: 2 })?.headline;
    expect(lost).toContain("fewer than 2 machines");
    expect(lost).toContain("Of 2, no machine that is known has a copy that counts.");
    expect(said({ only_here: 0, nowhere: 312 })?.headline).toContain("no known machine");
  });

  test("is told with a wait only where somebody can say", () => {
    for (const state of ["still", "paused", "too-few-nodes"] as const) {
      expect(said({ state, eta_s: null })?.detail).not.toMatch(/minute|second|hour/);
    }
    expect(said({ eta_s: null })?.detail).toContain("not known yet");
    expect(said({ state: "still", eta_s: null })?.detail).toContain("Nothing moves now");
    expect(said({ state: "still", eta_s: null }, 0)?.detail).toContain("another node is connected");
    expect(said({ state: "paused", eta_s: null })?.detail).toContain("paused here");
    expect(said({ state: "too-few-nodes", eta_s: null })?.detail).toContain("invite one");
  });

  test("is nothing to worry about where all is safe, and nothing while it is not counted", () => {
    const safe = said({ state: "safe", photos_at_risk: 0, bytes_left: 0, eta_s: 0 });
    expect(safe).toEqual({ headline: "Every photo is on 2 machines or more.", detail: "" });
    expect([safetyWords(null, 1), said({ state: "unknown" })]).toEqual([null, null]);
  });

  test("a wait is as exact as it can be known", () => {
    expect([3, 49, 50, 89 * 60, 91 * 60, 35 * 3600, 50 * 3600].map(aboutWait)).toEqual([
      "less than a minute",
      "less than a minute",
      "about 1 minute",
      "about 89 minutes",
      "about 2 hours",
      "about 35 hours",
      "about 2 days",
    ]);
    expect([null, 0.2, 160, 3600, 90_059].map(waitWords)).toEqual([
      "unknown",
      "1 s",
      "2 min 40 s",
      "1 h",
      "1 d 1 h",
    ]);
  });
});

test("a pause and a preview are named", () => {
  expect(pauseWords({ kind: "library", id: null, name: null })).toBe("Fetching is paused");
  expect(pauseWords({ kind: "peer", id: "12D3", name: "yoda" })).toBe("The peer yoda is paused");
  expect(pauseWords({ kind: "shoot", id: "5e", name: null })).toBe("The shoot 5e is paused");
  const moving = { blob: "ab", state: "fetching", done_bytes: 0, total_bytes: 1, peers: [] };
  const of = (kind?: string) =>
    transferName({ ...moving, rate_bytes_s: 0, name: "a.nef", ...(kind && { kind }) });
  expect([of(), of("original"), of("preview")]).toEqual(["a.nef", "a.nef", "a.nef (preview)"]);
});

describe("a rate", () => {
  test.each([
    ["", null],
    [" FULL ", null],
    ["2MB/s", 2e6],
    ["2 MB/s", 2e6],
    ["1.5 MiB", 1_572_864],
    ["16Mbit/s", 2e6],
    ["500 kB/s", 5e5],
    ["80kbit", 1e4],
    ["10000B/s", 1e4],
  ])("is read as the node reads it: %j", (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });

  test.each([
    ["5", "unit is missing"],
    ["5mb", "bits or bytes"],
    ["5 parsecs", "no unit"],
    ["fast", "such as"],
    ["-5MB/s", "such as"],
    ["9kB/s", "as good as nothing"],
  ])("that cannot be meant is told so: %j", (text, words) => {
    expect(() => parseRate(text)).toThrow(words);
  });

  test("is shown as it is read", () => {
    for (const rate of [10_000, 12_345, 1_048_576, 2e6, 1_500_000, 1e9, null]) {
      expect(parseRate(showRate(rate))).toBe(rate);
    }
    expect(bothWays(2e6, null)).toBe("in 2 MB/s, out full");
  });
});

describe("the form of the limits", () => {
  const limits: Limits = {
    in_bytes_s: 5e6,
    out_bytes_s: null,
    peers: [{ peer: "12D3leia", name: "leia", in_bytes_s: null, out_bytes_s: 5e5 }],
    schedule: "08:00-22:00 2MB/s",
    metered: true,
    metered_bytes_s: 1e5,
    parallel: 4,
    now_in_bytes_s: 1e5,
    now_out_bytes_s: 1e5,
    changed: true,
  };
  const yoda = { id: "12D3yoda", name: "yoda" } as Peer;
  const draft = (more: Partial<LimitsDraft> = {}): LimitsDraft => {
    return { ...draftOf(limits, [yoda]), ...more };
  };

  test("says again what it was told, and has room for every node", () => {
    expect(draft().peers.map(({ name }) => name)).toEqual(["yoda", "leia"]);
    const { now_in_bytes_s, now_out_bytes_s, changed, ...rest } = limits;
    const peers = [{ peer: "12D3leia", in_bytes_s: null, out_bytes_s: 5e5 }];
    expect(wantedOf(draft())).toEqual({ wanted: { ...rest, peers } });
  });

  test("a link that is not metered has no rate for it", () => {
    for (const off of [{ metered: false }, { meteredMeans: "wait" as const }]) {
      const told = wantedOf(draft({ ...off, meteredRate: "nonsense" }));
      expect("wanted" in told && told.wanted.metered_bytes_s).toBe(null);
    }
  });

  test("what is wrong is told at its field, and nothing is sent", () => {
    const peers = [{ peer: "p", name: "p", in: "1MB/s", out: "2mb" }];
    const told = wantedOf(draft({ in: "5", parallel: "0", meteredRate: "", peers }));
    expect("wrongs" in told && Object.keys(told.wrongs).sort()).toEqual([
      "in",
      "metered",
      "out of p",
      "parallel",
    ]);
  });
});

describe("verifying", () => {
  const scrub: Scrub = {
    days: 30,
    paused: false,
    overdue: 0,
    overdue_bytes: 0,
    oldest: "2026-05-01T10:00:00Z",
    verified: 5,
    verified_bytes: 5e6,
    damaged: 0,
    unreadable: 0,
    repaired: 0,
  };
  const told: Verification = {
    id: "5d",
    q: null,
    counts: "files",
    done: 211,
    total: 843,
    blobs: 640,
    bytes: 5e9,
    sound: 640,
    mended: 0,
    damaged: 0,
    lost: 0,
    unreadable: 0,
    absent: 0,
    findings: [],
    finished: false,
    problem: null,
  };

  test("says when the files were last found right, and how it goes on", () => {
    expect(verifiedWords(scrub)).toBe(
      "Every file here was read and found right on 1 May 2026 or later.",
    );
    expect(verifiedWords({ ...scrub, damaged: 1 })).toContain("Every other file");
    expect(verifiedWords({ ...scrub, oldest: null })).toContain("Nothing is stored");
    expect(rhythmWords(scrub)).toBe("Each file is read again within 30 days.");
    expect(rhythmWords({ ...scrub, paused: true })).toContain("paused");
    expect(rhythmWords({ ...scrub, days: 0, paused: true })).toContain("when somebody asks");
    expect(scrubWarnings(scrub)).toEqual([]);
    const bad = { ...scrub, damaged: 1, unreadable: 2, overdue: 3, overdue_bytes: 9e9 };
    expect(scrubWarnings(bad)).toHaveLength(3);
    expect(scrubWarnings({ ...bad, days: 0 })).toHaveLength(2);
  });

  test("says how far a verification is, and what it found", () => {
    expect(verificationWords(told)).toBe("Verifying: 211 of 843 files, 5.0 GB");
    expect(verificationWords({ ...told, total: null })).toBe("Verifying: 211 files, 5.0 GB");
    const finished = { ...told, finished: true };
    expect(verificationWords(finished)).toBe("Verified 640 files, 5.0 GB: all as they should be.");
    expect(verificationWords({ ...finished, damaged: 1 })).toContain("1 file not as");
  });
});
