import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { purposeWords, PURPOSES, tokenOf } from "../src/api/access.ts";
import { Access } from "../src/state/access.svelte.ts";

const LINK = "#/login?token=photonic_abc-_9";

describe("a link that logs in", () => {
  test("has the token behind its #", () => {
    expect(tokenOf(LINK)).toBe("photonic_abc-_9");
  });

  test.each(["", "#/", "#/login", "#/login?token=", "#/nodes?token=x", "#/?token=x"])(
    "is none: %s",
    (hash) => expect(tokenOf(hash)).toBeNull(),
  );
});

test("scopes are told in the words of a purpose, or by themselves", () => {
  expect(purposeWords([...PURPOSES[0].scopes].reverse())).toBe("Look at photos");
  expect(purposeWords(["catalog.read"])).toBe("catalog.read");
});

describe("the door", () => {
  let asked: string[] = [];
  let isKnown = false;

  beforeEach(() => {
    asked = [];
    isKnown = false;
    vi.stubGlobal("window", new EventTarget());
    vi.stubGlobal("location", { hash: "" });
    vi.stubGlobal("history", {
      replaceState: (_: unknown, __: string, hash: string) => {
        asked.push(`address ${hash}`);
        location.hash = hash;
      },
    });
    vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
      asked.push(`${init.method} ${url} ${init.body ?? ""}`.trim());
      if (init.method === "POST") isKnown = String(init.body).includes("right");
      const asker = { scopes: ["catalog.read"], token: "phone", expires: null };
      return isKnown
        ? new Response(JSON.stringify(asker))
        : new Response(JSON.stringify({ detail: "this token is wrong" }), { status: 401 });
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  async function settled(access: Access): Promise<void> {
    await vi.waitFor(() => expect(access.state).not.toBe("unknown"));
  }

  test("is shut where the node knows nobody, and opens with the right token", async () => {
    const access = new Access();
    const stop = access.start();
    await settled(access);
    expect(access.state).toBe("closed");
    await access.logIn("wrong");
    expect([access.state, access.refusal]).toEqual(["closed", "this token is wrong"]);
    await access.logIn("right");
    expect([access.state, access.refusal]).toEqual(["open", ""]);
    expect([access.may("catalog.read"), access.may("jobs.run")]).toEqual([true, false]);
    stop();
  });

  test("takes the token out of the address before it is sent", async () => {
    location.hash = "#/login?token=right";
    const access = new Access();
    const stop = access.start();
    await settled(access);
    expect(access.state).toBe("open");
    expect(asked.slice(0, 2)).toEqual([
      "address #/",
      'POST /api/v1/session {"token":"right"}',
    ]);
    expect(location.hash).toBe("#/");
    stop();
  });

  test("shuts when the session ended, whatever is asked", async () => {
    const access = new Access();
    const stop = access.start();
    await access.logIn("right");
    isKnown = false;
    await expect(access.logOut()).rejects.toThrow("wrong");
    expect(access.state).toBe("closed");
    stop();
  });
});
