// The package of the WebAssembly build, as a browser loads it: what addon.d.ts says, which a declaration like this cannot refer to.
declare module 'tinytrain-wasm32-wasi' {
  const addon: never;
  export default addon;
}
