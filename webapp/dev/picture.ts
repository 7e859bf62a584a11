/** A drawn landscape for each photo of the development server, the same every time. */

import { chance, type Photo } from "./library.ts";

function ridge(seed: number, level: number, rough: number, width: number, height: number): string {
  const points = Array.from({ length: 13 }, (_, at) => {
    const wave = Math.sin(at * 0.9 + chance(seed, 40) * 6) * 0.5 + (chance(seed, 50 + at) - 0.5);
    return `${((at * width) / 12).toFixed(0)} ${((level + wave * rough) * height).toFixed(0)}`;
  });
  return `M0 ${height}L${points.join("L")}L${width} ${height}Z`;
}

export function picture(photo: Photo, edge: number): string {
  const scale = edge / Math.max(photo.width, photo.height);
  const width = Math.round(photo.width * scale);
  const height = Math.round(photo.height * scale);
  const seed = Number.parseInt(photo.id.slice(0, 8), 16);
  const shoot = Math.floor(Date.parse(`${photo.taken}Z`) / 86_400_000);
  const hue = chance(shoot, 1) * 360;
  const dusk = chance(shoot, 2);
  const hsl = (turn: number, sat: number, light: number): string =>
    `hsl(${((hue + turn) % 360).toFixed(0)} ${sat.toFixed(0)}% ${light.toFixed(0)}%)`;
  const sunX = (0.15 + 0.7 * chance(seed, 3)) * width;
  const sunY = (0.2 + 0.3 * chance(seed, 4)) * height;
  const hills = [0, 1, 2, 3].map((at) => {
    const level = 0.5 + at * 0.13 + chance(seed, 5 + at) * 0.06;
    const path = ridge(seed + at, level, 0.11 - at * 0.015, width, height);
    return `<path d="${path}" fill="${hsl(at * 9, 26 - at * 3, 44 - at * 10 - dusk * 8)}"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="${hsl(0, 38, 34 + dusk * 20)}"/>
<stop offset=".6" stop-color="${hsl(28, 55, 68 + dusk * 14)}"/></linearGradient></defs>
<rect width="100%" height="100%" fill="url(#sky)"/>
<circle cx="${sunX.toFixed(0)}" cy="${sunY.toFixed(0)}" r="${(0.06 * Math.min(width, height)).toFixed(0)}" fill="${hsl(40, 80, 90)}" opacity=".85"/>
${hills.join("\n")}</svg>`;
}

/** Something square that looks like a code, drawn as the node draws; it says nothing. */
export function notReallyQr(): string {
  const cells: string[] = [];
  for (let y = 0; y < 33; y++) {
    for (let x = 0; x < 33; x++) {
      if (chance(x * 33 + y, 9) < 0.48) cells.push(`M${x} ${y}h1v1h-1z`);
    }
  }
  return `<svg width="212" height="212"><path transform="scale(4) translate(10 10)" d="${cells.join("")}"/></svg>`;
}
