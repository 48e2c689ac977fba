/** A coordinate as it stands in a file. */
export const place = (value: number): string => value.toFixed(1);

/** A line of text; `more` are further attributes. */
export const text = (x: number, y: number, content: string, anchor = 'middle', more = ''): string =>
  `<text x="${place(x)}" y="${place(y)}" text-anchor="${anchor}"${more}>${content}</text>`;

/** A straight line of a kind, by which style sheets know it. */
export const line = (x1: number, y1: number, x2: number, y2: number, kind: string, color: string): string =>
  `<line class="${kind}" x1="${place(x1)}" y1="${place(y1)}" x2="${place(x2)}" y2="${place(y2)}" stroke="${color}"/>`;

/** A filled rectangle of a kind. */
export const rect = (x: number, y: number, width: number, height: number, kind: string, color: string): string =>
  `<rect class="${kind}" x="${place(x)}" y="${place(y)}" width="${place(width)}" height="${place(height)}" fill="${color}"/>`;
