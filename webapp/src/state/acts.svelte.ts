/** What is done to many photos at once, with the way back: each act can be undone as a whole. */

import { node, Refusal } from "../api/client.ts";
import type { BulkEdit, Chosen, Edit } from "../api/types.ts";
import { counted } from "../format.ts";
import { editWords } from "./edits.ts";
import type { Notices } from "./notices.svelte.ts";

export class Acts {
  /** What is under way, in words; "" when nothing is. */
  busy = $state("");
  /** A removal so large that the other nodes would hold it; it asks to be meant. */
  large = $state.raw<{ chosen: Chosen; message: string } | null>(null);

  constructor(
    readonly notices: Notices,
    /** Whatever shows photos has to be read again. */
    readonly changed: () => void,
  ) {}

  edit(chosen: Chosen, edit: Edit): Promise<boolean> {
    return this.#run(editWords(edit), () => node.editMany(chosen, edit));
  }

  /** Put photos into the trash; `meant`: also if they are so many that other nodes would ask. */
  async discard(chosen: Chosen, meant = false): Promise<boolean> {
    this.large = null;
    return this.#run("Moved to the trash", async () => {
      try {
        return await node.discard(chosen, meant);
      } catch (error) {
        if (!(error instanceof Refusal) || meant || error.code !== "trash.unconfirmed") throw error;
        this.large = { chosen, message: error.message };
        return null;
      }
    });
  }

  restore(chosen: Chosen): Promise<boolean> {
    return this.#run("Restored", () => node.restore(chosen));
  }

  confirmRemovals(of: string): Promise<boolean> {
    return this.#run("Confirmed the removals", async () => {
      await node.confirmRemovals(of);
      return { count: -1, act: null };
    });
  }

  /** Take back a change, or a whole act. */
  undo(what: { change: string } | { act: string }): Promise<boolean> {
    return this.#run("Undone", async () => {
      const { undone, kept_count, kept, albums = 0 } = await node.undo(what);
      if (kept_count > 0 && kept[0]) {
        const rest = kept_count > 1 ? ` and ${counted(kept_count - 1, "other")}` : "";
        this.notices.done(`${kept[0].name}${rest} stayed: ${kept[0].reason}.`);
      }
      return { count: albums > 0 && undone === 0 ? -1 : undone, act: null };
    });
  }

  async #run(words: string, call: () => Promise<BulkEdit | null>): Promise<boolean> {
    this.busy = words;
    try {
      const done = await call();
      if (done === null) return false;
      const { count, act } = done;
      const said = count < 0 ? `${words}.` : `${words}: ${counted(count, "photo")}.`;
      const undo = act && { words: "Undo", run: () => void this.undo({ act }) };
      this.notices.done(count === 0 ? "Nothing was different." : said, undo || null);
      this.changed();
      return true;
    } catch (error) {
      this.notices.failed("It was not done", error);
      return false;
    } finally {
      this.busy = "";
    }
  }
}
