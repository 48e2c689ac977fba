// What the library takes from the machine it runs on, under Node. `#host` is this module, and for bundlers for browsers host.browser.ts, which exports the same.
import { createHash } from 'node:crypto';
import { freemem } from 'node:os';
import { relative, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import loader from './load.cjs';

export { availableParallelism as threadCount } from 'node:os';
export { readAny } from './files.js';

/** The platform, for messages. */
export const platform: { readonly platform: string; readonly arch: string } = {
  platform: process.platform,
  arch: process.arch,
};

/** Loads the addon; its target is the value of `__napiBindingTarget`. */
export const loadAddon: typeof loader.load = loader.load;

/** The file that the addon was loaded from. */
export const addonPath: typeof loader.path = loader.path;

/** Resolves once the compiled part can be used. In a browser it is then loaded, 4 MB and workers for its threads; `loadModel` waits for that by itself. Throws `ADDON_MISSING`. */
export async function addonReady(): Promise<void> {}

/** The first part of a SHA-256. */
export interface Hash {
  update(data: string | Uint8Array | Int8Array | Uint16Array): Hash;
  digest(encoding: 'hex'): string;
}

/** Begins a SHA-256. */
export function sha256(): Hash {
  return createHash('sha256');
}

/** A variable of the environment. */
export function variable(name: string): string | undefined {
  return process.env[name];
}

/** Bytes of memory that are free. */
export function freeMemory(): number {
  return freemem();
}

/** The file of a model that the package contains. */
export function modelFile(name: 'tinytrain-xs' | 'tinytrain-gestures'): string {
  return fileURLToPath(new URL(`../assets/${name}.tflite`, import.meta.url));
}

/** The name of a file in whatever folder one is. */
export function absolute(path: string): string {
  return resolve(path);
}

/** The name of a file as seen from a folder. */
export function within(folder: string, path: string): string {
  return relative(folder, resolve(path)).replaceAll('\\', '/');
}

/** Lets other tasks of this thread have their turn. */
export async function turn(): Promise<void> {
  await setImmediate();
}
