import { LiveServer } from '../live/server.js';
import { reportData } from '../report/data.js';
import { openFolder } from '../report/folders.js';
import { type LiveEntry, liveData, type Progress } from '../report/live.js';
import { livePage, reportPage } from '../report/page.js';

/** What `--watch` shows in the browser: what the command does, as far as it has come. */
export class Watch {
  readonly #server: LiveServer;
  #progress: Progress | null = null;
  #entry: () => LiveEntry | undefined = () => undefined;

  private constructor(server: LiveServer) {
    this.#server = server;
  }

  /** Begins at a port, 0 for any that is free, and says on stderr where; undefined without a port. Throws `PORT_FAILED`. */
  static async open(port: number | undefined): Promise<Watch | undefined> {
    if (port === undefined) return undefined;
    let watch: Watch | undefined;
    const server = await LiveServer.open(port, async () => watch?.page() ?? '');
    process.stderr.write(`watch    ${server.address}\n`);
    watch = new Watch(server);
    return watch;
  }

  async page(): Promise<string> {
    const entry = this.#entry();
    return livePage(liveData(this.#progress, entry ? [entry] : []));
  }

  /** What the command does at the moment. */
  progress(progress: Progress): void {
    this.#progress = progress;
    this.#server.changed();
  }

  /** What is shown from now on; it is asked for when somebody looks. */
  show(entry: () => LiveEntry | undefined): void {
    this.#entry = entry;
    this.#server.changed();
  }

  /** What is shown has changed. */
  changed(): void {
    this.#server.changed();
  }

  /** Shows what `report` writes of the folder with the results, and ends. */
  async finish(folder: string, signal: AbortSignal): Promise<void> {
    await this.#server.finish(async () => reportPage(await reportData([await openFolder(folder)], signal)));
  }

  /** Ends at once. */
  close(): void {
    this.#server.close();
  }
}
