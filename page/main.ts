/** The name of a run among several in one chart. */
function curveName(path: string, runs: readonly { readonly seed: number }[], seed: number, entries: number): string {
  const which = runs.length > 1 ? `seed ${seed}` : '';
  const name = [entries > 1 ? path : '', which].filter(text => text !== '').join(', ');
  return name === '' ? '' : `${name}: `;
}

function curvesOf(entries: readonly (Runs | Training)[]): Curve[] {
  return entries.flatMap(({ path, runs }) =>
    runs.map(run => ({
      name: curveName(path, runs, run.seed, entries.length),
      run,
      total: 'total' in run ? run.total : 0,
    })),
  );
}

/** What a chart is drawn of, and how; undefined for a chart of nothing. */
function drawingOf(
  host: HTMLElement,
  { entries }: Data,
): { readonly of: unknown; readonly act: () => void } | undefined {
  const { chart, entry: number } = host.dataset;
  const entry = entries[Number(number)];
  if (chart === 'all-loss' || chart === 'all-accuracy') {
    const all = curvesOf(entries.filter(one => one.kind === 'runs'));
    return { of: all, act: () => learningCurves(host, all, chart === 'all-loss' ? 'loss' : 'accuracy') };
  }
  if (!entry) return undefined;
  if (chart === 'front' && (entry.kind === 'search' || entry.kind === 'searching')) {
    return { of: frontOf(entry), act: () => frontWithTools(host, entry) };
  }
  if (entry.kind === 'searching') return undefined;
  if (chart === 'memory') return { of: entry.program, act: () => memoryMap(host, entry.program) };
  if ((chart === 'loss' || chart === 'accuracy') && (entry.kind === 'runs' || entry.kind === 'training')) {
    const own = curvesOf([entry]);
    return { of: own, act: () => learningCurves(host, own, chart) };
  }
  return undefined;
}

/** What each chart was drawn of. */
const drawn = new WeakMap<HTMLElement, string>();

/** Draws every chart of which there is something new. */
function drawAll(): void {
  const data = JSON.parse(document.getElementById('data')?.textContent ?? '{"entries":[]}') as Data;
  for (const host of document.querySelectorAll<HTMLElement>('.chart')) {
    const drawing = drawingOf(host, data);
    const of = JSON.stringify(drawing?.of ?? null);
    if (!drawing || drawn.get(host) === of) continue;
    drawing.act();
    drawn.set(host, of);
  }
}

drawAll();
if (document.getElementById('live')) follow();
