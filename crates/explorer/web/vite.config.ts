import { defineConfig } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";

// one page at a time, because each is one file: `vite build` and `vite build --mode play`
export default defineConfig(({ mode }) => ({
  plugins: [viteSingleFile({ removeViteModuleLoader: true })],
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: "es2022",
    emptyOutDir: mode !== "play",
    rollupOptions: { input: mode === "play" ? "play.html" : "index.html" },
  },
}));
