// CommonJS, in which the loader of the addon is written (dist/binding.cjs, made by napi-rs), and whose `require` bundlers follow.
import type * as Addon from './addon.js' with { 'resolution-mode': 'import' };

/** The addon, and what of it is the loader's: which build it is. */
type Loaded = typeof Addon & { readonly __napiBindingTarget: string };

/**
 * Loads the addon: that of this platform, from beside this file or from its package, or else the WebAssembly build. Throws an error whose causes tell what
 * was tried.
 */
function load(): Loaded {
  const { emitWarning } = process;
  // Node calls its WASI experimental, on the standard error of every command.
  process.emitWarning = ((warning: string | Error, ...rest: []) => {
    if (!String(warning).startsWith('WASI is an experimental feature')) emitWarning(warning, ...rest);
  }) as typeof emitWarning;
  try {
    return require('./binding.cjs');
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The file that the addon was loaded from; none where a bundler has given it another name. */
function path(): string | undefined {
  return Object.keys(require.cache).find(file => /[\\/]tinytrain\.([^\\/]+\.node|wasi\.cjs)$/.test(file));
}

export = { load, path };
