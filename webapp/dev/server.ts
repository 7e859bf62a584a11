/**
 * A make-believe node inside Vite's own server, for `npm run dev` and `npm run preview`: the REST
 * interface and the event stream over `DevLibrary`. PHOTOS=100000 makes it large, PHOTOS=0 empty.
 * `POST /dev/...` plays the other node. A development tool: nothing of it is in the built page.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";

import { detail, DevLibrary, makePhoto, NODES, summary, version, type Photo } from "./library.ts";
import { DevHistory } from "./history.ts";
import { Unreadable, type DevAlbum } from "./query.ts";
import { notReallyQr, picture } from "./picture.ts";
import * as kept from "./storage.ts";

/** What the node sends with the page; the built page must live with it. */
const POLICY = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'";

const AUDIT = [
  { act: "photos.trashed", facts: { act: "5e".repeat(16), photos: "12" } },
  { act: "peer.refused", facts: { node: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp" } },
  { act: "node.started", facts: { settings: "0123456789abcdef", version: "0.1.0" } },
].map((entry, at) => ({
  n: 3 - at,
  at: new Date().toISOString(),
  chain: "7c".repeat(32),
  ...entry,
}));
const VERDICT = {
  sound: true,
  problem: null,
  entries: 3,
  first: 1,
  last: 3,
  signed_to: 3,
  torn: 0,
  node: "",
};

class Reply extends Error {
  constructor(
    readonly status: number,
    readonly body: unknown,
    readonly type = "application/json",
  ) {
    super();
  }
}

function refuse(status: number, code: string, said: string, fix: string): Reply {
  const body = { type: `urn:photonic:${code}`, title: said, status, detail: said, code, fix };
  return new Reply(status, body, "application/problem+json");
}

function unread({ message, position, length }: Unreadable): Reply {
  const reply = refuse(400, "catalog.query-invalid", message, "Correct the query there.");
  return new Reply(400, { ...(reply.body as object), position, length }, reply.type);
}

export class DevNode {
  readonly library = new DevLibrary(Number(process.env["PHOTOS"] ?? 640));
  readonly #streams = new Set<ServerResponse>();
  readonly #history = new DevHistory();
  #last = 0;
  #imports: unknown[] = [];
  transfers = this.library.photos
    .filter((photo) => !photo.held)
    .slice(0, 4)
    .map((photo, at) => ({
      blob: photo.id,
      name: photo.name,
      state: "fetching",
      done_bytes: Math.floor(photo.bytes * (0.7 - at * 0.2)),
      total_bytes: photo.bytes,
      rate_bytes_s: 41e6 / (at + 1),
      peers: [NODES[1]!.id],
    }));

  answer(method: string, url: URL, body: Record<string, unknown>): Reply {
    const [kind = "", id = "", part = ""] = url.pathname
      .split("/")
      .slice(3)
      .map(decodeURIComponent);
    const key = `${method} ${kind}${part ? `/${part}` : ""}`;
    const whole = `${method} ${url.pathname.slice("/api/v1/".length)}`;
    const found = this.#onMany(whole, url, body) ?? this.#onStorage(whole, url);
    if (found) return found;
    if (kind === "albums" && id) return this.#onAlbum(method, id, body);
    if (kind === "photos" && id) return this.#onPhoto(key, this.#find(id), url, body);
    switch (key) {
      case "GET status":
        return new Reply(200, this.#status());
      case "GET photos":
        return new Reply(200, this.library.page(url.searchParams));
      case "GET conflicts":
        return new Reply(200, { items: this.library.conflicts(), next: null });
      case "GET peers":
        return new Reply(200, { items: this.#peers() });
      case "POST invitations": {
        const code = `photonic1:${"dev0code1not2real3".repeat(9)}`;
        const expires = new Date(Date.now() + 86_400_000).toISOString();
        return new Reply(201, { code, expires, qr_svg: notReallyQr() });
      }
      case "POST imports":
        if (body["folder"] === "/nowhere") {
          throw refuse(
            404,
            "ingest.folder-unknown",
            "there is no folder /nowhere",
            "Check the path.",
          );
        }
        return new Reply(202, {});
    }
    throw refuse(404, "http.not-found", `nothing at ${url.pathname}`, "See the list of addresses.");
  }

  /** Searches, and what is done to many photos at once. */
  #onMany(key: string, url: URL, body: Record<string, unknown>): Reply | null {
    const q = url.searchParams.get("q") ?? "";
    const { q: query, ids, confirm, dry_run, ...edit } = body;
    const chosen = (): Photo[] =>
      ids ? (ids as string[]).map((id) => this.#find(id)) : this.library.find(String(query));
    switch (key) {
      case "GET timeline":
        return new Reply(200, this.library.timeline(q));
      case "GET facets":
        return new Reply(200, this.library.facets());
      case "GET albums":
        return new Reply(200, { items: this.library.albums });
      case "POST albums": {
        const id = this.#history.nextAct();
        const { name, query = null } = body as { name: string; query?: string | null };
        const album: DevAlbum = { id, name, query, conflicts: [] };
        this.library.albums = [...this.library.albums, album];
        return new Reply(201, album);
      }
      case "GET log":
        return new Reply(200, this.#history.acts());
      case "GET audit":
        return new Reply(200, { items: this.#audit(url.searchParams.get("act")), next: null });
      case "GET audit/verdict":
        return new Reply(200, VERDICT);
      case "POST photos/edit":
        return new Reply(200, this.#act(chosen(), edit));
      case "POST trash":
        if (chosen().length > 200 && !confirm) {
          const said = `${chosen().length} photos are more than the other nodes remove unasked`;
          throw refuse(409, "trash.unconfirmed", said, "Say that it is meant.");
        }
        return new Reply(200, this.#act(chosen(), { trashed: true }));
      case "POST trash/restore":
        return new Reply(200, this.#act(chosen(), { trashed: null }));
      case "GET trash": {
        const items = this.library.find("is:trashed").map((photo) => ({
          photo: summary(photo),
          author: photo.trashed!.author.id,
          author_name: photo.trashed!.author.name,
          at: photo.trashed!.at,
          purge_at: new Date(Date.parse(photo.trashed!.at) + 30 * 86_400_000).toISOString(),
        }));
        return new Reply(200, { items, next: null, held: [] });
      }
      case "POST undo": {
        const photos = this.#history.undo(body as { change?: string; act?: string });
        this.send("photos", { ids: photos.map(({ id }) => id).slice(0, 500), local: true });
        return new Reply(200, { act: null, undone: photos.length, kept_count: 0, kept: [] });
      }
    }
    return null;
  }

  /** Room, copies, and photos as files: to look at only. */
  #onStorage(key: string, url: URL): Reply | null {
    const ids = this.library.photos.slice(0, 3).map(({ id }) => id);
    const bytes = url.searchParams.get("bytes");
    const told: Record<string, () => unknown> = {
      "GET session": () => ({ scopes: ["jobs.run", "members.admin"], token: null, expires: null }),
      "GET evictions": () => kept.evictions(ids, bytes === null ? null : Number(bytes)),
      "GET redundancy": () => kept.redundancy(this.library.photos.length, NODES),
      "GET scrub/calendar": () => kept.calendar(),
      "GET policies/placement": () => kept.policy(NODES[0]!.id),
      "GET exports": () => kept.exported(),
    };
    return told[key] ? new Reply(200, told[key]()) : null;
  }

  #audit(act: string | null): unknown[] {
    if (act !== "blob.evicted") return AUDIT;
    const gone = this.library.photos.filter(({ held }) => !held).slice(0, 4);
    return kept.evicted(
      gone.map(({ id }) => id),
      NODES.slice(1).map(({ id }) => id),
    );
  }

  #act(photos: Photo[], edit: Record<string, unknown>): unknown {
    const act = this.#history.nextAct();
    for (const photo of photos) this.#history.say(photo, edit, 0, act);
    this.send("photos", { ids: photos.map(({ id }) => id).slice(0, 500), local: true });
    return { count: photos.length, act, dry_run: false };
  }

  #onAlbum(method: string, id: string, body: Record<string, unknown>): Reply {
    const album = this.library.albums.find((each) => each.id === id);
    if (!album) throw refuse(404, "catalog.album-unknown", "there is no such album", "Look again.");
    if (method === "PATCH") Object.assign(album, body);
    else this.library.albums = this.library.albums.filter((each) => each !== album);
    return new Reply(200, album);
  }

  #onPhoto(key: string, photo: Photo, url: URL, body: Record<string, unknown>): Reply {
    switch (key) {
      case "GET photos":
        return new Reply(200, detail(photo));
      case "GET photos/preview":
        if (!photo.preview) {
          throw refuse(404, "blobs.missing", "no preview here yet", "It is fetched by itself.");
        }
        return new Reply(
          200,
          picture(photo, Number(url.searchParams.get("size"))),
          "image/svg+xml",
        );
      case "GET photos/log":
        return new Reply(200, this.#history.log(photo));
      case "GET photos/placement":
        return new Reply(200, placement(photo.id));
      case "GET photos/original":
        return new Reply(200, picture(photo, 3000), "image/svg+xml");
      case "PATCH photos":
        if (body["title"] === "refuse me") {
          throw refuse(
            422,
            "catalog.edit-invalid",
            "that title cannot be",
            "Choose another title.",
          );
        }
        this.edit(photo, body, 0);
        return new Reply(200, detail(photo));
      case "POST photos/resolve": {
        const field = String(body["field"]);
        const kept = photo.fields[field]?.find((each) => each.change === body["change"]);
        this.edit(photo, { [field]: kept ? kept.value : body["value"] }, 0);
        return new Reply(200, detail(photo));
      }
    }
    throw refuse(404, "http.not-found", `nothing at ${url.pathname}`, "See the list of addresses.");
  }

  edit(photo: Photo, edit: Record<string, unknown>, author: number): void {
    this.#history.say(photo, edit, author, null);
    this.send("photos", { ids: [photo.id], local: author === 0 });
  }

  /** What another node does: edit, contest, import, deliver. */
  elsewhere(what: string, body: Record<string, unknown>): Reply {
    switch (what) {
      case "edit": {
        const { id, ...edit } = body;
        this.edit(this.#find(String(id)), edit, 1);
        return new Reply(200, {});
      }
      case "contest": {
        const photo = this.#find(String(body["id"]));
        const field = String(body["field"]);
        const mine = photo.fields[field]?.[0] ?? version(null, 0, 5, photo.id);
        photo.fields[field] = [mine, version(body["value"], 1, 2, photo.id)];
        this.send("photos", { ids: [photo.id], local: false });
        return new Reply(200, {});
      }
      case "import": {
        const ids: string[] = [];
        for (let at = 0; at < Number(body["count"]); at++) {
          const photo = makePhoto(10_000_000 + this.library.photos.length);
          photo.taken = new Date(Date.UTC(2024, 8, 30, 9) + at * 60_000).toISOString().slice(0, 23);
          this.library.add(photo);
          ids.push(photo.id);
        }
        this.send("photos", { ids, local: false });
        return new Reply(200, { ids });
      }
      case "progress":
        for (const transfer of this.transfers) {
          transfer.done_bytes = Math.min(transfer.total_bytes, transfer.done_bytes + 2e6);
          this.send("transfer", transfer);
        }
        return new Reply(200, {});
      case "deliver": {
        const photo = this.#find(String(body["id"]));
        photo.preview = photo.held = true;
        this.send("holdings", { ids: [photo.id] });
        return new Reply(200, {});
      }
    }
    throw refuse(404, "dev.unknown", `unknown: ${what}`, "Read dev/server.ts.");
  }

  send(name: string, data: unknown): void {
    this.#last += 1;
    const text = `id: ${this.#last}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const stream of this.#streams) stream.write(text);
  }

  listen(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("retry: 500\n\n");
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  #find(id: string): Photo {
    const photo = this.library.byId.get(id);
    if (photo) return photo;
    throw refuse(404, "catalog.photo-unknown", `there is no photo ${id}`, "Look in the grid.");
  }

  #status(): unknown {
    const { photos } = this.library;
    const held = photos.filter((photo) => photo.held);
    const conflicts = this.library.conflicts().length;
    const problem = {
      code: "ingest.file-empty",
      message: "DSC_0415.NEF holds no bytes",
      fix: "Copy it again from the card: a file of zero bytes holds no picture.",
      path: "/media/card/DCIM/100NZ8/DSC_0415.NEF",
    };
    return {
      node: { ...NODES[0], state: conflicts > 0 ? "conflict" : "monitoring", mode: "home" },
      library: { id: "c0ffee", name: "Family and travels" },
      photos: photos.length,
      conflicts,
      peers: 2,
      holdings: {
        wanted: photos.length,
        held: held.length,
        bytes: held.reduce((sum, photo) => sum + photo.bytes, 0),
      },
      problems: photos.length > 0 ? [problem] : [],
      transfers: this.transfers.filter((each) => each.done_bytes < each.total_bytes),
      imports: this.#imports,
      buffer: kept.buffer(),
      version: "0.1.0",
    };
  }

  #peers(): unknown[] {
    const capabilities = ["catalog.read", "catalog.write", "blobs.read", "blobs.hold"];
    const yoda = { ...NODES[1], host: "studio", state: "monitoring", mode: "home", link: "lan" };
    const leia = { ...NODES[2], host: "attic", state: "offline", mode: "archive", link: "none" };
    const space = { capacity_bytes: 6e12, free_bytes: 2.31e12, capabilities };
    return [
      {
        ...yoda,
        ...space,
        addresses: ["/ip4/192.168.1.5/tcp/4310"],
        latency_ms: 0.84,
        last_seen: new Date().toISOString(),
      },
      {
        ...leia,
        ...space,
        capacity_bytes: 4e12,
        addresses: ["/ip4/192.168.1.9/tcp/4310"],
        latency_ms: null,
        last_seen: new Date(Date.now() - 7_600_000).toISOString(),
      },
    ];
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const part of request) text += String(part);
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function middleware(node: DevNode): Connect.NextHandleFunction {
  return (request, response, next) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const api = url.pathname.startsWith("/api/v1/");
    const dev = url.pathname.startsWith("/dev/") && request.method === "POST";
    if (url.pathname === "/api/v1/events") return node.listen(response);
    if (!api && !dev) return next();
    bodyOf(request)
      .then((body) =>
        dev
          ? node.elsewhere(url.pathname.slice("/dev/".length), body)
          : node.answer(request.method ?? "GET", url, body),
      )
      .catch((error: unknown) =>
        error instanceof Reply
          ? error
          : error instanceof Unreadable
            ? unread(error)
            : refuse(500, "dev", String(error), "Mend the dev server."),
      )
      .then(({ status, body, type }) => {
        response.writeHead(status, { "content-type": type });
        response.end(typeof body === "string" ? body : JSON.stringify(body));
      });
  };
}

/** The plugin: the make-believe node in front of Vite's own answers. */
export function devNode(): Plugin {
  return {
    name: "photonic-dev-node",
    configureServer(server) {
      server.middlewares.use(middleware(new DevNode()));
    },
    configurePreviewServer(server) {
      server.middlewares.use((_request, response, next) => {
        response.setHeader("content-security-policy", POLICY);
        next();
      });
      server.middlewares.use(middleware(new DevNode()));
    },
  };
}

/** Why a photo is where it is, by a rule that asks for a copy that cannot be had just now. */
function placement(photo: string): unknown {
  const here = { held: true, counts: true, wanted: true, pinned: false, evict: "normal" };
  const away = { ...here, held: false, pinned: true, evict: "never", verified_at: null };
  const rule = "where rating>=3 or flag:pick: copies 3, one on archive";
  return {
    photo,
    name: "",
    copies: 3,
    held: 2,
    missing: 1,
    on: { archive: 1 },
    missing_on: { archive: 1 },
    not_on: [],
    yielding: [],
    evict: "normal",
    rules: [{ text: rule, contested: false }],
    nodes: [
      {
        ...here,
        node: "a",
        name: "studio",
        role: "central",
        here: true,
        verified_at: "2024-05-18T03:10:00Z",
        obstacle: null,
      },
      {
        ...here,
        node: "b",
        name: "laptop",
        role: "mobile",
        here: false,
        verified_at: null,
        obstacle: null,
      },
      {
        ...away,
        node: "c",
        name: "attic",
        role: "archive",
        here: false,
        obstacle: "offline since 2024-05-17 21:04",
      },
    ],
    nobody: 0,
    unknown: [],
    unread: [],
  };
}
