/** The line of an application: bytes to it, lines of text from it. */
import type { Session } from '#tinytrain';
import type { Connection } from '#tinytrain/device/connection.js';

/** Sends bytes to the application, and hears lines of text. */
export class Line {
  #text = '';
  #wake: () => void = () => {};

  constructor(private readonly connection: Connection) {
    connection.onData(bytes => {
      this.#text += Buffer.from(bytes).toString('latin1');
      this.#wake();
    });
  }

  async heard(): Promise<string> {
    for (;;) {
      const [line, ...rest] = this.#text.split('\n');
      if (line !== undefined && rest.length > 0) {
        this.#text = rest.join('\n');
        return line;
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  async send(...parts: readonly (string | Uint8Array)[]): Promise<void> {
    for (const part of parts) await this.connection.write(Buffer.from(part));
  }

  async ask(...parts: readonly (string | Uint8Array)[]): Promise<string> {
    await this.send(...parts);
    return this.heard();
  }
}

const percentOf = (score: number | undefined) => Math.round(((score ?? 0) * 100) / 2 ** 31);

/** What the application says of a sample. */
export function seen(session: Session, sample: Int8Array): string {
  const label = session.predict(sample);
  return `class ${label}, ${percentOf(session.scores()[label])} %`;
}
