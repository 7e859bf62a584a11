/** Ratings as a photographer means them: -1 is a reject, 0 no stars, 1 to 5 stars. */

export const REJECTED = -1;
export const STARS = [1, 2, 3, 4, 5] as const;

/** The rating that a key stands for, or null if the key means something else. */
export function ratingOfKey(key: string): number | null {
  if (/^[0-5]$/.test(key)) return Number(key);
  return key === "x" || key === "X" ? REJECTED : null;
}

/** Pressing the star that is lit already takes it away. */
export function toggled(current: number | null, pressed: number): number {
  return current === pressed ? 0 : pressed;
}

export function ratingWords(rating: number | null): string {
  if (rating === null || rating === 0) return "no rating";
  if (rating < 0) return "rejected";
  return rating === 1 ? "1 star" : `${rating} stars`;
}
