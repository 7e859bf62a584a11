/**
 * Whether the node speaks with this browser at all. On the node's own machine it does; elsewhere
 * somebody shows a token once, by typing it or by a link that has it behind its "#", and the browser
 * gets a cookie that no script reads. The token itself is kept nowhere here.
 */

import { getContext, setContext } from "svelte";

import { door, tokenOf, type Asker } from "../api/access.ts";
import { hearNobody, Refusal } from "../api/client.ts";

const KEY = Symbol("access");

export class Access {
  /** Not known yet, open, or a token is needed. */
  state = $state<"unknown" | "open" | "closed">("unknown");
  asker = $state.raw<Asker | null>(null);
  /** Why a token was not taken. */
  refusal = $state("");
  busy = $state(false);

  /** Whether whoever asks may do what needs this scope. */
  may(scope: string): boolean {
    return this.asker?.scopes.includes(scope) ?? false;
  }

  /** Begin; the returned function ends it. */
  start(): () => void {
    hearNobody(() => {
      if (this.state === "open") this.state = "closed";
    });
    const follow = (): void => void this.#followLink();
    window.addEventListener("hashchange", follow);
    void this.#begin();
    return () => {
      hearNobody(() => {});
      window.removeEventListener("hashchange", follow);
    };
  }

  async logIn(token: string): Promise<void> {
    this.busy = true;
    this.refusal = "";
    try {
      await door.logIn(token);
    } catch (error) {
      this.refusal = error instanceof Refusal ? error.message : "The node does not answer.";
    } finally {
      this.busy = false;
    }
    await this.#ask();
  }

  async logOut(): Promise<void> {
    await door.logOut();
    this.asker = null;
    this.state = "closed";
  }

  /** Take a token out of the address, and out of the browser's history, before it is used. */
  async #followLink(): Promise<boolean> {
    const token = tokenOf(location.hash);
    if (token === null) return false;
    history.replaceState(null, "", "#/");
    await this.logIn(token);
    return true;
  }

  async #begin(): Promise<void> {
    if (!(await this.#followLink())) await this.#ask();
  }

  async #ask(): Promise<void> {
    try {
      this.asker = await door.asker();
      this.state = "open";
    } catch (error) {
      // Whatever else is wrong, the page itself tells.
      this.state = error instanceof Refusal && error.status === 401 ? "closed" : "open";
    }
  }
}

export function provideAccess(access: Access): void {
  setContext(KEY, access);
}

export function useAccess(): Access {
  return getContext<Access>(KEY);
}
