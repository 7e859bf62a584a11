import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import {
  API,
  baseOf,
  node,
  originalUrl,
  pageQuery,
  previewUrl,
  Refusal,
  refusal,
  servedLibraries,
  Unreachable,
} from "../src/api/client.ts";
import { svgAddress } from "../src/parts/picture.ts";
import { EVERYTHING } from "../src/route.ts";

/** A node that gives one answer, and remembers what it was asked. */
function nodeThat(answer: () => Response | Promise<Response>) {
  const asked: { method: string; url: string; body: unknown; type: string | null }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
    asked.push({
      method: init.method ?? "GET",
      url,
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      type: new Headers(init.headers).get("content-type"),
    });
    return answer();
  });
  return asked;
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

afterEach(() => void vi.unstubAllGlobals());

describe("several libraries", () => {
  test("the page asks the library that it was loaded from", () => {
    expect(API).toBe("/api/v1");
    expect(baseOf("/")).toBe("/");
    expect(baseOf("/index.html")).toBe("/");
    expect(baseOf("/l/clients/")).toBe("/l/clients/");
    expect(baseOf("/l/clients/index.html")).toBe("/l/clients/");
    expect(baseOf("/x/l/clients/")).toBe("/");
  });

  test("are listed where one may know of them, and nowhere else", async () => {
    vi.stubGlobal("location", { protocol: "http:" });
    const one = { name: "", path: "/", library: "Photos", state: "serving" };
    const asked = nodeThat(() => json({ items: [one] }));
    expect(await servedLibraries()).toEqual([one]);
    expect(asked[0]?.url).toBe("/api/libraries");
    nodeThat(() => json({}, 404));
    expect(await servedLibraries()).toEqual([]);
    nodeThat(() => Promise.reject(new Error("gone")));
    expect(await servedLibraries()).toEqual([]);
    vi.stubGlobal("location", { protocol: "https:" });
    const unasked = nodeThat(() => json({ items: [one] }));
    expect(await servedLibraries()).toEqual([]);
    expect(unasked).toEqual([]);
  });
});

describe("requests", () => {
  test("ask for no more than the filter says", () => {
    expect(pageQuery(EVERYTHING, null, 200)).toBe("limit=200");
    const filter = { q: "a b", at: "2019-12" };
    const asked = (direction: "older" | "newer") =>
      Object.fromEntries(new URLSearchParams(pageQuery(filter, "c=", 5, direction)));
    const both = { limit: "5", q: "a b", cursor: "c=" };
    expect(asked("older")).toEqual({ ...both, at: "2019-12" });
    expect(asked("newer")).toEqual({ ...both, at: "2020-01", sort: "-taken" });
  });

  test("that undo, edit many and trash say what they are about", async () => {
    const asked = nodeThat(() => json({}));
    await node.editMany({ q: "tag:a" }, { tags: { add: ["b"] } });
    await node.undo({ act: "3c" });
    await node.discard({ ids: ["p"] });
    await node.discard({ ids: ["p"] }, true);
    await node.createAlbum("Iceland", null);
    expect(asked.map(({ url, body }) => [url.slice("/api/v1".length), body])).toEqual([
      ["/photos/edit", { q: "tag:a", tags: { add: ["b"] } }],
      ["/undo", { act: "3c" }],
      ["/trash", { ids: ["p"] }],
      ["/trash", { ids: ["p"], confirm: true }],
      ["/albums", { name: "Iceland", query: null }],
    ]);
  });

  test("that are refused for a query say where it is wrong", () => {
    const said = refusal(400, { detail: "no field", position: 8, length: 5 });
    expect(said.wrong).toEqual({ position: 8, length: 5 });
    expect(refusal(400, { detail: "no field" }).wrong).toBeNull();
  });

  test("a refusal has the node's own words, whatever it left out", () => {
    const said = refusal(422, { title: "T", detail: "D", code: "a.b", fix: "F" });
    expect([said.message, said.code, said.fix, said.status]).toEqual(["D", "a.b", "F", 422]);
    const silent = refusal(502, null);
    expect([silent.message, silent.code, silent.fix]).toEqual([
      "The node answered with status 502.",
      "http.502",
      "",
    ]);
  });

  test("name a photo and a page in the address, whatever letters they have", async () => {
    const asked = nodeThat(() => json({ items: [], next: null }));
    await node.photo("a/b?c");
    await node.photos({ ...EVERYTHING, q: "x&y" }, null, 50);
    await node.conflicts("c=&d", 10);
    await node.conflicts(null, 10);
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "GET /api/v1/photos/a%2Fb%3Fc",
      "GET /api/v1/photos?limit=50&q=x%26y",
      "GET /api/v1/conflicts?limit=10&cursor=c%3D%26d",
      "GET /api/v1/conflicts?limit=10",
    ]);
    expect(asked[0]).toMatchObject({ body: undefined, type: null });
  });

  test("that change something carry it as JSON, also a null that clears", async () => {
    const asked = nodeThat(() => json({}));
    await node.edit("p", { rating: null, title: "Harbour" });
    await node.resolve("p", { field: "rating", change: "c1" });
    await node.invite({ role: "archive", ttl_s: 60, life_s: 7_776_000 });
    await node.revoke("a/b", null, true);
    await node.changeRights("m", ["catalog.read"]);
    await node.importFolder("/card");
    expect(asked).toEqual(
      [
        ["PATCH", "/photos/p", { rating: null, title: "Harbour" }],
        ["POST", "/photos/p/resolve", { field: "rating", change: "c1" }],
        ["POST", "/invitations", { role: "archive", ttl_s: 60, life_s: 7_776_000 }],
        ["POST", "/members/a%2Fb/revoke", { cut: null, dry_run: true }],
        ["POST", "/members/m/scopes", { scopes: ["catalog.read"] }],
        ["POST", "/imports", { folder: "/card" }],
      ].map(([method, path, body]) => {
        return { method, url: `/api/v1${String(path)}`, body, type: "application/json" };
      }),
    );
  });

  test("give what the node answered, and nothing for an empty answer", async () => {
    nodeThat(() => json({ items: [{ id: "n" }] }));
    expect(await node.peers()).toEqual({ items: [{ id: "n" }] });
    nodeThat(() => new Response(null, { status: 204 }));
    expect(await node.edit("p", {})).toBeNull();
  });

  test("that are refused fail with the node's own words", async () => {
    const problem = { detail: "no such photo", code: "catalog.photo-unknown", fix: "Look again." };
    nodeThat(() => json(problem, 404));
    const failure = await node.photo("p").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Refusal);
    expect(failure).toMatchObject({
      status: 404,
      code: "catalog.photo-unknown",
      message: "no such photo",
      fix: "Look again.",
    });
  });

  test("that a proxy answers with a page of its own fail by their status", async () => {
    nodeThat(() => new Response("<html>Bad gateway</html>", { status: 502 }));
    await expect(node.status()).rejects.toMatchObject({ status: 502, code: "http.502" });
  });

  test("that nobody answers, or only in part, say that the node is not reachable", async () => {
    nodeThat(() => Promise.reject(new TypeError("Failed to fetch")));
    await expect(node.status()).rejects.toBeInstanceOf(Unreachable);
    const broken = new ReadableStream({ start: (stream) => stream.error(new Error("cut off")) });
    nodeThat(() => new Response(broken));
    await expect(node.status()).rejects.toThrow(new Unreachable("cut off"));
  });
});

describe("a request without answer", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("is given up after 15 seconds", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
      const control = new AbortController();
      setTimeout(() => control.abort(new Error("timed out")), ms);
      return control.signal;
    });
    vi.stubGlobal("fetch", (_url: string, { signal }: { signal: AbortSignal }) => {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    });
    let failure: unknown;
    node.status().catch((error: unknown) => (failure = error));
    await vi.advanceTimersByTimeAsync(14_999);
    expect(failure).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(failure).toBeInstanceOf(Unreachable);
    timeout.mockRestore();
  });
});

describe("addresses of pictures", () => {
  test("are new for another attempt, so that a missing one is asked for again", () => {
    expect(previewUrl("a/b", 256)).toBe("/api/v1/photos/a%2Fb/preview?size=256");
    expect(previewUrl("a", 1600, 2)).toBe("/api/v1/photos/a/preview?size=1600&attempt=2");
    expect(originalUrl("a/b")).toBe("/api/v1/photos/a%2Fb/original");
  });

  test("of drawings name the language, once", () => {
    const named = '<svg xmlns="http://www.w3.org/2000/svg" width="8"><path/></svg>';
    const drawing = (address: string) => decodeURIComponent(address.split(",")[1]!);
    expect(drawing(svgAddress('<svg width="8"><path/></svg>'))).toBe(named);
    expect(drawing(svgAddress(named))).toBe(named);
    expect(svgAddress(named)).toMatch(/^data:image\/svg\+xml;charset=utf-8,%3Csvg/);
  });
});
