/** The name of a run among several in one chart. */
function curveName(entry: Runs, run: Runs['runs'][number], entries: number): string {
  const seed = entry.runs.length > 1 ? `seed ${run.seed}` : '';
  return [entries > 1 ? entry.path : '', seed].filter(text => text !== '').join(', ');
}

function start(): void {
  const data = JSON.parse(document.getElementById('data')?.textContent ?? '{}') as Data;
  const runs = data.entries.filter(entry => entry.kind === 'runs');
  const curves = (entries: readonly Runs[]): Curve[] =>
    entries.flatMap(entry =>
      entry.runs.map(run => {
        const name = curveName(entry, run, entries.length);
        return { name: name === '' ? '' : `${name}: `, run };
      }),
    );
  for (const host of document.querySelectorAll<HTMLElement>('.chart')) {
    const { chart, entry: number } = host.dataset;
    const entry: Entry | undefined = data.entries[Number(number)];
    if (chart === 'all-loss' || chart === 'all-accuracy')
      learningCurves(host, curves(runs), chart === 'all-loss' ? 'loss' : 'accuracy');
    else if (!entry) continue;
    else if (chart === 'memory') memoryMap(host, entry.program);
    else if (chart === 'front' && entry.kind === 'search') frontWithTools(host, entry);
    else if ((chart === 'loss' || chart === 'accuracy') && entry.kind === 'runs')
      learningCurves(host, curves([entry]), chart);
  }
}

start();
