/**
 * One answer of the node that is read again and again: the last one that came, and why there is no
 * newer one. A refusal keeps what was there before, which may be old, and is shown beside it.
 */

import { Refusal } from "../api/client.ts";
import { paced } from "./pace.ts";

export class Reading<T> {
  /** Null before the first answer. */
  value = $state.raw<T | null>(null);
  refusal = $state.raw<Refusal | null>(null);
  /** Read it again soon: at once, or when the pause after the last time is over. */
  readonly again: () => void;

  constructor(call: () => Promise<T>, pauseMs: number) {
    this.again = paced(async () => {
      try {
        this.take(await call());
      } catch (error) {
        // Whether the node answers at all is told by its status.
        if (error instanceof Refusal) this.refusal = error;
      }
    }, pauseMs);
  }

  /** This is how it is now: an answer that came in another way. */
  take(value: T): void {
    this.value = value;
    this.refusal = null;
  }
}
