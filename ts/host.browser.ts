// What the library takes from the machine it runs on, in a browser: see host.node.ts. A file is what a URL yields.
import { sha256 as begin } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type * as Addon from './addon.js';
import { messageOf, TinytrainError } from './errors.js';
import type { Hash } from './host.node.js';

export type { Hash } from './host.node.js';

/** What of a browser Node's types do not have. */
const browser = globalThis as {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
};

type Loaded = typeof Addon & { readonly __napiBindingTarget: string };

/** Bytes of memory that may be taken to be free: WebAssembly ends at 4 GiB. */
const FREE = 2 ** 31;

export const platform: { readonly platform: string; readonly arch: string } = { platform: 'browser', arch: 'wasm32' };

let addon: Loaded | undefined;
let loading: Promise<void> | undefined;

async function load(): Promise<void> {
  if (!browser.crossOriginIsolated) {
    throw new TinytrainError(
      'ADDON_MISSING',
      'WebAssembly with threads needs shared memory, which this page is not allowed: it is not cross-origin isolated',
      {
        ...platform,
        help: [
          'serve the page from https or localhost, with these headers:',
          '  Cross-Origin-Opener-Policy: same-origin',
          '  Cross-Origin-Embedder-Policy: require-corp',
        ],
      },
    );
  }
  addon = (await import('tinytrain-wasm32-wasi')).default;
}

/** Loads the addon, which takes a moment: 4 MB, and workers for its threads. Throws `ADDON_MISSING` for a page that may not share memory between threads. */
export function addonReady(): Promise<void> {
  loading ??= load();
  return loading;
}

export function loadAddon(): Loaded {
  if (addon) return addon;
  throw new TinytrainError('ADDON_MISSING', 'the WebAssembly is not loaded yet', {
    ...platform,
    help: ['first of all: await ready(), or await loadModel(...)'],
  });
}

export function addonPath(): undefined {}

export function sha256(): Hash {
  const hash = begin.create();
  const result: Hash = {
    update(data) {
      const bytes = typeof data === 'string' ? utf8ToBytes(data) : data;
      hash.update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      return result;
    },
    digest: () => Array.from(hash.digest(), byte => byte.toString(16).padStart(2, '0')).join(''),
  };
  return result;
}

export function variable(_: string): undefined {}

export function threadCount(): number {
  return browser.navigator?.hardwareConcurrency ?? 1;
}

export function freeMemory(): number {
  return FREE;
}

export function modelFile(name: 'tinytrain-xs' | 'tinytrain-gestures'): string {
  // Written out, so that bundlers find the files.
  return name === 'tinytrain-xs'
    ? new URL('../assets/tinytrain-xs.tflite', import.meta.url).href
    : new URL('../assets/tinytrain-gestures.tflite', import.meta.url).href;
}

export async function readAny(url: string, doing: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server says ${response.status} ${response.statusText}`.trim());
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new TinytrainError('FILE_ERROR', `${url}: ${doing}: ${messageOf(error)}`, { path: url }, error);
  }
}

export function absolute(path: string): string {
  return path;
}

export function within(_: string, path: string): string {
  return path;
}

export function turn(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve));
}
