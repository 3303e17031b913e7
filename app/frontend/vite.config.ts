import { fileURLToPath } from 'node:url'

import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds the server: the stack that `make up` starts, unless told otherwise. */
const backend = process.env.CHATIRE_BACKEND ?? 'http://127.0.0.1:8080'

/** The same for sockets, where the two tiers run by themselves without nginx before them. */
const socketBackend = process.env.CHATIRE_WS_BACKEND ?? backend

/**
 * The proxied requests must come from the backend's own origin, or its Origin checks refuse them:
 * in development the browser's origin is Vite's.
 */
const proxied = { target: backend, changeOrigin: true, headers: { origin: backend } }

export default defineConfig({
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: 'false',
    __VUE_PROD_DEVTOOLS__: 'false',
  },
  resolve: {
    alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) },
  },
  build: {
    // An asset turned into a data: address would need a looser Content-Security-Policy.
    assetsInlineLimit: 0,
    // Modules, `inert` and container queries: what browsers of the last three years have.
    target: ['chrome111', 'firefox114', 'safari16.4'],
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      '/api/': proxied,
      '/auth/': proxied,
      '/ws/': { ...proxied, target: socketBackend, ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.spec.ts'],
    restoreMocks: true,
    // A busy machine must not look like a broken page.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 30_000,
  },
})
