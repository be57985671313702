import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** The tests look at what users get: the built files. */
export default async function setup(): Promise<void> {
  await build({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    mode: 'production',
    logLevel: 'warn',
  });
}
