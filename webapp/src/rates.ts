/** Rates as people write them, "2 MB/s" or "16 Mbit/s", as the node's own command line reads them. */

/** The node takes no less: it would be as good as nothing. */
const LEAST_BYTES_S = 10_000;
const UNIT = /^([kmg]i?)?(B|[bB]it)$/i;
const PREFIXES: Record<string, number> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
};

/** What is wrong with a rate, in words for the person who wrote it. */
export class RateWrong extends Error {
  override name = "RateWrong";
}

/** Bytes per second; null for no limit, which is "full" or nothing. Throws RateWrong. */
export function parseRate(text: string): number | null {
  const word = text.trim();
  if (word === "" || word.toLowerCase() === "full") return null;
  const found = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*?)(?:\/s)?$/.exec(word);
  if (!found) throw new RateWrong("Write a rate such as 2 MB/s, or full for no limit.");
  const unit = found[2]!;
  if (unit === "") throw new RateWrong("A unit is missing: write MB/s or Mbit/s.");
  // A lower-case b alone may mean bits or bytes.
  const known = unit.endsWith("b") ? null : UNIT.exec(unit);
  if (!known) {
    const why = unit.endsWith("b") ? "may mean bits or bytes" : "is no unit";
    throw new RateWrong(`“${unit}” ${why}: write MB/s or Mbit/s.`);
  }
  const size = PREFIXES[(known[1] ?? "").toLowerCase()]! / (known[2]!.length === 1 ? 1 : 8);
  const rate = Math.round(Number(found[1]) * size);
  if (rate < LEAST_BYTES_S) throw new RateWrong("Less than 10 kB/s would be as good as nothing.");
  return rate;
}

/** A rate as `parseRate` reads it, exactly; "" for no limit. */
export function showRate(rate: number | null): string {
  if (rate === null) return "";
  for (const [prefix, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (rate >= size && (rate * 1000) % size === 0) return `${rate / size} ${prefix}B/s`;
  }
  return `${rate} B/s`;
}

/** Two rates in words: "in 2 MB/s, out full". */
export function bothWays(inwards: number | null, outwards: number | null): string {
  return `in ${showRate(inwards) || "full"}, out ${showRate(outwards) || "full"}`;
}
