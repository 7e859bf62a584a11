import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

import { devNode } from "./dev/server.ts";

export default defineConfig({
  plugins: [svelte(), devNode()],
  base: "./", // the page of a further library is below /l/NAME/
  build: {
    outDir: "../photonic/api/page",
    emptyOutDir: true,
    target: "es2022",
    // Everything stays a file of its own: the node's content security policy has no "unsafe-inline".
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { host: "127.0.0.1" },
  preview: { host: "127.0.0.1" },
});
