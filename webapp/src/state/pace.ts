/**
 * Calls that come in bursts, made at most once per interval: the first at once, the last always.
 * A run never overlaps itself, so a slow node is not asked faster than it answers.
 */

export interface Paced {
  (): void;
  stop(): void;
}

export function paced(run: () => Promise<void> | void, intervalMs: number): Paced {
  let busy = false;
  let wanted = false;
  let stopped = false;

  async function go(): Promise<void> {
    busy = true;
    wanted = false;
    try {
      await run();
    } finally {
      setTimeout(() => {
        busy = false;
        if (wanted && !stopped) void go();
      }, intervalMs);
    }
  }

  const call = (): void => {
    if (stopped) return;
    if (busy) wanted = true;
    else void go();
  };
  return Object.assign(call, {
    stop: () => {
      stopped = true;
    },
  });
}

/** Map with at most `width` calls under way; the order of the results is that of the items. */
export async function mapBounded<T, R>(
  items: readonly T[],
  width: number,
  call: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  async function work(): Promise<void> {
    while (next < items.length) {
      const mine = next++;
      results[mine] = await call(items[mine]!);
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
  return results;
}
