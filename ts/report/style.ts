/** The style sheet of a report, light and dark. Colours of series are told apart by people who see few colours: after Okabe and Ito. */
export const style = `
:root { color-scheme: light dark; --paper: #fff; --panel: #f6f7f9; --text: #1b1f24; --dim: #57606a; --line: #d0d7de; --accent: #0b57a4;
  --good: #0b57a4; --chosen: #b30000; --c0: #0072b2; --c1: #d55e00; --c2: #007a5a; --c3: #a64d79; --c4: #8a6d00; --c5: #5b5bd6; --c6: #4d4d4d; --c7: #b2182b;
  --input: #8c8c8c; --activation: #9ecae1; --saved: #0072b2; --mask: #d55e00; --gradient: #009e73; --scratch: #d9d9d9; --other: #cc79a7;
  --nothing: #d0d7de; --biases: #7fb3d9; --weights: #0b57a4; --head: #d55e00; --share0: #c6dbef; --share1: #9ecae1; --share2: #4292c6; --share3: #084594; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --panel: #1d2127; --text: #e8eaed; --dim: #a3abb5; --line: #3a414a; --accent: #79b8ff; --good: #4f9fe0; --chosen: #ff8a80;
    --c0: #56b4e9; --c1: #ff9d4d; --c2: #35c99a; --c3: #e6a1c6; --c4: #f0d84a; --c5: #a5a5ff; --c6: #c8c8c8; --c7: #ff8080;
    --input: #9a9a9a; --activation: #37617d; --saved: #56b4e9; --mask: #ff9d4d; --gradient: #35c99a; --scratch: #4a4f57; --other: #e6a1c6;
    --nothing: #3a414a; --biases: #2f6f9f; --weights: #79b8ff; --head: #ff9d4d; --share0: #27455f; --share1: #38699a; --share2: #5fa3e0; --share3: #d2e8ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 100rem; padding: 1rem clamp(0.75rem, 2.5vw, 2.5rem) 3rem; background: var(--paper); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
#live { margin: 0.5rem 0 1rem; } h1 { font-size: 1.5rem; margin: 0.5rem 0; } h2 { font-size: 1.2rem; margin: 0 0 0.5rem; overflow-wrap: anywhere; } h3 { font-size: 1rem; margin: 1.75rem 0 0.5rem; }
p { margin: 0.4rem 0; max-width: 60rem; } .dim, figcaption { color: var(--dim); font-size: 0.875rem; } figure { margin: 0; }
.folders { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 40rem), 1fr)); gap: 1.5rem; align-items: start; }
.folder { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: clamp(0.75rem, 2vw, 1.5rem); min-width: 0; }
.folders .folder { margin: 0; } .overview { margin-bottom: 1.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.5rem 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.big { font-size: 1.6rem; font-weight: 600; line-height: 1.2; } .warning { border-left: 4px solid var(--chosen); padding-left: 0.75rem; }
.scroll { overflow-x: auto; } .scroll:focus-visible, .chart:focus-visible, button:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.875rem; } caption { text-align: left; color: var(--dim); padding: 0.5rem 0 0.25rem; white-space: nowrap; } table:has(td.bar) { width: 100%; max-width: 52rem; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; } th:first-child, td:first-child, .left { text-align: left; }
td.wrap { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; text-align: left; } tr.chosen td { font-weight: 600; } tr.chosen td:first-child::before { content: '> '; color: var(--chosen); }
.confusion { width: max-content; } .confusion th, .confusion td { padding: 0.2rem 0.45rem; border: 1px solid var(--line); text-align: center; min-width: 2.4rem; }
.confusion th.side { text-align: right; max-width: 9rem; overflow: hidden; text-overflow: ellipsis; }
.confusion thead th.name { vertical-align: bottom; padding: 0.3rem 0; } .confusion thead th.name span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.s1 { background: color-mix(in srgb, var(--good) 12%, transparent); } .s2 { background: color-mix(in srgb, var(--good) 30%, transparent); } .s3 { background: color-mix(in srgb, var(--good) 50%, transparent); }
.s4 { background: var(--good); color: var(--paper); } .w1 { background: color-mix(in srgb, var(--c1) 14%, transparent); } .w2 { background: color-mix(in srgb, var(--c1) 32%, transparent); }
.w3 { background: color-mix(in srgb, var(--c1) 55%, transparent); } .w4 { background: color-mix(in srgb, var(--c1) 75%, transparent); }
svg.bar { display: block; width: 100%; min-width: 3rem; height: 0.7rem; } svg.bar rect { fill: var(--accent); } svg.bar rect.back { fill: var(--line); } td.bar { width: 100%; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 0.75rem; padding: 0; margin: 0; list-style: none; }
.mistakes img { width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--paper); border: 1px solid var(--line); border-radius: 4px; image-rendering: pixelated; display: block; }
.mistakes li { font-size: 0.8rem; line-height: 1.35; min-width: 0; overflow-wrap: anywhere; } .mistakes strong { display: block; }
.network { display: flex; flex-wrap: wrap; gap: 4px; list-style: none; padding: 0; margin: 0.5rem 0; } .network li { border: 1px solid var(--line); border-top-width: 6px; border-radius: 4px; padding: 0.2rem 0.4rem; font-size: 0.75rem; line-height: 1.35; background: var(--paper); }
.network li.biases { border-top-color: var(--biases); } .network li.weights { border-top-color: var(--weights); } .network li.head { border-top-color: var(--head); } .network li.nothing { border-top-color: var(--nothing); } .network li.frozen { border-style: dashed; border-top-style: solid; border-left-color: var(--dim); border-right-color: var(--dim); border-bottom-color: var(--dim); }
.network b { display: block; white-space: nowrap; }
.keys { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; font-size: 0.8rem; margin: 0.3rem 0; padding: 0; list-style: none; } .keys li::before { content: ''; display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 2px; margin-right: 0.35rem; vertical-align: -0.1rem; background: var(--key, var(--dim)); }
${['input', 'activation', 'saved', 'mask', 'gradient', 'scratch', 'other', 'nothing', 'biases', 'weights', 'head', 'chosen', 'dim', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'].map(name => `.k-${name} { --key: var(--${name}); }`).join(' ')}
.contributions { display: block; width: 100%; min-width: 56rem; height: auto; } .contributions .paper { fill: none; } .contributions text { fill: var(--text); } .contributions .grid { stroke: var(--line); } .contributions .axis { stroke: var(--dim); }
.contributions .share0 { fill: var(--share0); } .contributions .share1 { fill: var(--share1); } .contributions .share2 { fill: var(--share2); } .contributions .share3 { fill: var(--share3); }
.contributions .curve { stroke: var(--good); } .contributions .point { fill: var(--good); } .contributions .error { stroke: var(--c1); } .contributions .chosen { fill: var(--chosen); }
.chart { position: relative; border-radius: 4px; width: 100%; min-height: 12rem; } .tools { display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0.3rem 0; align-items: center; }
button { font: inherit; font-size: 0.85rem; color: var(--text); background: var(--paper); border: 1px solid var(--dim); border-radius: 5px; padding: 0.15rem 0.6rem; cursor: pointer; min-height: 2rem; } button[aria-pressed='true'] { background: var(--accent); color: var(--paper); border-color: var(--accent); }
.tip { position: absolute; z-index: 5; pointer-events: none; max-width: min(22rem, 90%); background: var(--paper); color: var(--text); border: 1px solid var(--dim); border-radius: 5px; padding: 0.3rem 0.5rem; font-size: 0.8rem; line-height: 1.35; box-shadow: 0 2px 8px #0004; white-space: pre-line; overflow-wrap: anywhere; }
.tip[hidden] { display: none; } .said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
summary { cursor: pointer; color: var(--accent); font-size: 0.9rem; margin: 0.4rem 0; } .nojs { display: none; }
@media (max-width: 36rem) {
  table:has(td.bar) :is(th, td) { padding-inline: 0.3rem; } table:has(td.bar) :is(th, td):first-child { white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
  table:has(td.bar) tr.total td.left { white-space: normal; } .confusion :is(th, td) { min-width: 1.5rem; padding: 0.15rem 0.1rem; font-size: 0.75rem; } .confusion th.side { max-width: 6rem; padding-right: 0.3rem; } td:first-child:not(.wrap) { white-space: normal; min-width: 5rem; } .confusion td { min-width: 0; }
}
@media print { .tools, .hint { display: none; } .folder { border: none; padding: 0; } }
`;
