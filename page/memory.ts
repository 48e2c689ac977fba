/** The map of the arena: steps from left to right, bytes from the bottom up, each buffer while it lives. */
function memoryMap(host: HTMLElement, { buffers, steps, forward, arenaBytes }: Figures): void {
  const whole = { x: { min: 0, max: Math.max(1, steps.length) }, y: { min: 0, max: Math.max(1, arenaBytes) } };
  const live = (buffer: Figures['buffers'][number]) => buffer.windows.filter(({ lo, hi }) => hi > lo);
  const things = buffers.map(buffer => {
    const windows = live(buffer);
    const [first, last] = [windows[0], windows.at(-1)];
    const when = `steps ${first?.start ?? 0} to ${(last?.end ?? 1) - 1} of ${steps.length}`;
    const where = `bytes ${thousands(buffer.offset)} to ${thousands(buffer.offset + buffer.size - 1)}`;
    const y = buffer.offset + ((first?.lo ?? 0) + (first?.hi ?? 0)) / 2;
    return {
      x: ((first?.start ?? 0) + (first?.end ?? 1)) / 2,
      y,
      text: `${buffer.name}\n${thousands(buffer.size)} B, ${when}, ${where}`,
    };
  });
  const paint = (plot: Plot) => {
    const { ctx } = plot;
    const x = (step: number) => plot.valToPos(step, 'x', true);
    const y = (byte: number) => plot.valToPos(byte, 'y', true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    ctx.strokeStyle = color('panel');
    ctx.lineWidth = 1;
    for (const buffer of buffers) {
      ctx.fillStyle = color(buffer.kind);
      for (const { start, end, lo, hi } of live(buffer)) {
        const [left, top] = [x(start), y(buffer.offset + hi)];
        const [width, height] = [x(end) - left, y(buffer.offset + lo) - top];
        ctx.fillRect(left, top, Math.max(1, width), Math.max(1, height));
        if (width > 4 && height > 4) ctx.strokeRect(left, top, width, height);
      }
    }
    ctx.strokeStyle = color('text');
    ctx.setLineDash([6, 4]);
    ctx.beginPath();
    ctx.moveTo(x(forward), plot.bbox.top);
    ctx.lineTo(x(forward), plot.bbox.top + plot.bbox.height);
    ctx.stroke();
    ctx.restore();
  };
  draw({
    host,
    height: 380,
    whole,
    data: [
      [0, whole.x.max],
      [0, whole.y.max],
    ],
    things: () => things,
    at: (_, step, byte) =>
      buffers.findIndex(buffer =>
        live(buffer).some(
          ({ start, end, lo, hi }) =>
            step >= start && step < end && byte >= buffer.offset + lo && byte < buffer.offset + hi,
        ),
      ),
    options: {
      series: [{}, { show: true, stroke: 'transparent', points: { show: false } }],
      axes: [
        axis('step (dashed: the end of the forward pass)', thousands),
        axis('byte of the arena', thousands, { size: 64 }),
      ],
      hooks: { draw: [paint] },
    },
  });
}
