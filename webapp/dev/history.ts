/** What was said in the make-believe library, by whom, and taking it back. */

import { chance, NODES, version, type Photo } from "./library.ts";

interface Entry {
  change: string;
  act: string | null;
  author: number;
  at: string;
  photo: Photo;
  before: Photo;
  edit: Record<string, unknown>;
}

const hex = (digits: number, seed: number): string =>
  Array.from({ length: digits }, (_, at) => Math.floor(chance(seed, at) * 16).toString(16)).join(
    "",
  );

export class DevHistory {
  readonly #entries: Entry[] = [];
  #last = 0;

  nextAct(): string {
    this.#last += 1;
    return hex(32, 7_000 + this.#last);
  }

  /** Say something of a photo, and remember how it was. */
  say(photo: Photo, edit: Record<string, unknown>, author: number, act: string | null): void {
    this.#last += 1;
    const change = hex(64, this.#last);
    const before = { ...photo, fields: { ...photo.fields } };
    for (const [name, value] of Object.entries(edit)) {
      if (name === "tags" || name === "albums") {
        const { add = [], remove = [] } = value as Record<string, string[]>;
        const kept = photo[name].filter((each) => !remove.includes(each) && !add.includes(each));
        photo[name] = [...kept, ...add].sort();
      } else if (name === "trashed") {
        if (value) photo.trashed = { author: NODES[author]!, at: new Date().toISOString() };
        else delete photo.trashed;
      } else photo.fields[name] = [version(value, author, 0, change)];
    }
    const at = new Date().toISOString();
    this.#entries.unshift({ change, act, author, at, photo, before, edit });
  }

  undo(what: { change?: string; act?: string }): Photo[] {
    const said = this.#entries.filter(({ change, act }) =>
      what.act ? act === what.act : change === what.change,
    );
    const act = this.nextAct();
    for (const { photo, before, edit } of said) {
      const back: Record<string, unknown> = {};
      for (const name of Object.keys(edit)) {
        if (name === "tags" || name === "albums") {
          const had = before[name];
          const has = photo[name];
          back[name] = {
            add: had.filter((each) => !has.includes(each)),
            remove: has.filter((each) => !had.includes(each)),
          };
        } else if (name === "trashed") back[name] = before.trashed ? true : null;
        else back[name] = before.fields[name]?.[0]?.value ?? null;
      }
      this.say(photo, back, 0, act);
    }
    return said.map(({ photo }) => photo);
  }

  log(photo: Photo): unknown {
    const later = new Set<string>();
    const items = this.#entries
      .filter((entry) => entry.photo === photo)
      .map(({ change, act, author, at, before, edit }) => ({
        change,
        act,
        ...who(author),
        at,
        counts: true,
        first: false,
        fields: Object.entries(edit).map(([field, value]) => {
          const stands = !later.has(field);
          later.add(field);
          const parts = value as { add?: string[]; remove?: string[] } | null;
          if (field !== "tags" && field !== "albums") {
            const old = before.fields[field]?.[0]?.value ?? null;
            return { field, kind: "set", old, new: value, stands };
          }
          const added = (parts?.add?.length ?? 0) > 0;
          const set = added ? parts!.add : parts!.remove;
          return { field, kind: added ? "added" : "removed", old: null, new: set, stands };
        }),
      }));
    const first = {
      change: photo.id,
      act: null,
      ...who(1),
      at: new Date(Date.now() - 9e9).toISOString(),
      counts: true,
      first: true,
      fields: [],
    };
    return { photo: photo.id, name: photo.name, items: [...items, first], next: null };
  }

  acts(): unknown {
    const acts = new Map<string, Entry[]>();
    for (const entry of this.#entries) {
      const key = entry.act ?? entry.change;
      acts.set(key, [...(acts.get(key) ?? []), entry]);
    }
    const items = [...acts].slice(0, 50).map(([id, [entry, ...rest]]) => ({
      id,
      act: entry!.act,
      ...who(entry!.author),
      at: entry!.at,
      kind: "photo",
      subject: entry!.photo.id,
      name: entry!.photo.name,
      count: rest.length + 1,
      fields: Object.keys(entry!.edit),
    }));
    return { items, next: null };
  }
}

function who(author: number): { author: string; author_name: string } {
  return { author: NODES[author]!.id, author_name: NODES[author]!.name };
}
