// The build of the explorer: one static folder, dist/, which the server embeds and serves under /graphiql.
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/**
 * GraphiQL's style sheet carries two font families as base64 (350 kB). The page uses the system's
 * fonts instead, so the rules are dropped before the style sheet is bundled.
 */
function dropEmbeddedFonts(): Plugin {
  return {
    name: 'drop-embedded-fonts',
    enforce: 'pre',
    transform(code, id) {
      if (!/graphiql[\\/]dist[\\/]style\.css/.test(id)) return null;
      return { code: code.replace(/@font-face\s*\{[^}]*\}/g, ''), map: null };
    },
  };
}

/**
 * CodeMirror's search bars are templates with `style` attributes, which `style-src 'self'` forbids.
 * They are dropped here; src/ui/graphiql.css says the same in rules.
 */
function dropTemplateStyles(): Plugin {
  return {
    name: 'drop-template-styles',
    enforce: 'pre',
    transform(code, id) {
      if (!/codemirror[\\/]addon[\\/](search|dialog)[\\/]/.test(id)) return null;
      return { code: code.replace(/ style="[^"]*"/g, ''), map: null };
    },
  };
}

export default defineConfig({
  base: '/graphiql/',
  plugins: [dropEmbeddedFonts(), dropTemplateStyles(), react()],
  resolve: {
    alias: {
      // Injects <style> elements, which `style-src 'self'` forbids; see the file for the replacement.
      'react-style-singleton': new URL('./src/csp/style-singleton.ts', import.meta.url).pathname,
    },
  },
  build: {
    target: 'es2022',
    sourcemap: false,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    chunkSizeWarningLimit: 1500,
  },
  // `npm run dev` sends GraphQL requests to a server started with `payaid dev`.
  server: {
    proxy: {
      '/graphql': 'http://127.0.0.1:8080',
      '/graphiql/config.json': 'http://127.0.0.1:8080',
    },
  },
});
